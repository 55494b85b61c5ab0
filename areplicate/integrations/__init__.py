"""areplicate where other libraries are expected."""
