"""The one place that opens sockets."""
