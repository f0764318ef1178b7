"""The views of the page, one file each: `render(queries, route)` gives the components of one URL."""
