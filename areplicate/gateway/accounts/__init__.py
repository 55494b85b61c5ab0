"""Who asks, what they may, and what it cost."""
