"""A class: its submissions collected, judged, entered and exported."""
