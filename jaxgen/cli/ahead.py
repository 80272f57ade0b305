"""Work that is done ahead on another thread, such as compiling the next training of a comparison while the last one is evaluated."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")


class Ahead(Generic[Item, Result]):
    """Make results of items, one of them ahead.

    Args:
        make: `item -> result`, called on another thread for the item that is begun.

    >>> with Ahead(lambda name: name.upper()) as ahead:
    ...     ahead.begin("b")
    ...     ahead.take("a"), ahead.take("b")
    ('A', 'B')
    """

    def __init__(self, make: Callable[[Item], Result]) -> None:
        self.make = make
        self.pool = ThreadPoolExecutor(1)
        self.begun: tuple[Item, Future[Result]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.pool.shutdown(cancel_futures=True)

    def begin(self, item: Item) -> None:
        """Begin to make the result of an item, unless one is begun.

        Args:
            item: The item.
        """
        if self.begun is None:
            self.begun = (item, self.pool.submit(self.make, item))

    def take(self, item: Item) -> Result:
        """Return the result of an item, after all that was begun is done.

        Args:
            item: The item.

        Returns:
            What was made ahead, if it was made of this item without an error, and what `make` makes now otherwise.
        """
        begun, self.begun = self.begun, None
        if begun is not None and begun[1].exception() is None and begun[0] == item:
            return begun[1].result()
        return self.make(item)
