"""Every option of a call: declared once, in `declared`; read, in `given`; checked, in `values` and `access`."""
