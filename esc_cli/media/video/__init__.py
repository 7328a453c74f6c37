"""Videos: files <-> frames of numpy planes with their timestamps. The only place with PyAV.

`kinds`, `facts`, `layouts`, `colour`, `settings` and `y4m` need no PyAV; the rest does.
"""
