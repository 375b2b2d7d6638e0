"""Threads of a gateway's process, for what would hold up its event loop."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def in_thread(threads: Executor, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
    """Returns what a function returns that is called in one of `threads`."""
    context = contextvars.copy_context()  # what is logged there is about this request, too
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(threads, context.run, function, *arguments)
