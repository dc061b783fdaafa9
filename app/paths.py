"""What is at a path? A place that cannot be looked at, as a drive that fell away, is no error."""

from __future__ import annotations

from collections.abc import Callable


def there(question: Callable[[], bool]) -> bool:
    """The answer of `path.is_file` and its like, which raise most errors of the system; no where they do."""
    try:
        return question()
    except OSError:
        return False
