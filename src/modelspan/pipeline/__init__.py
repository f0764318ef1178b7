"""From a finished call to the worker: queue, snapshot to event, the background thread."""
