"""A drift report as people read it: terminal table, page, notebook; and the figures that the page shares."""
