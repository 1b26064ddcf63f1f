"""A load balancer for API servers: every connection goes to the first one that takes it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress

PORT = 6443
_CONNECT = 1  # seconds that a server may take to answer
_PATIENCE = 10  # seconds


@contextmanager
def balancer(address: str, servers: Sequence[str]) -> Iterator[str]:
    """Listen at ``address`` for the API servers of hosts, and return where that is."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="balancer", daemon=True)
    thread.start()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):  # in the end, which asyncio would report as an error
            for server in servers:
                with suppress(OSError, TimeoutError):
                    back, forth = await asyncio.wait_for(asyncio.open_connection(server, PORT), _CONNECT)
                    await asyncio.gather(_pour(reader, forth), _pour(back, writer))
                    break
        writer.close()

    listening = asyncio.run_coroutine_threadsafe(asyncio.start_server(serve, address, PORT), loop).result(_PATIENCE)
    try:
        yield f"{address}:{PORT}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(listening), loop).result(_PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        loop.close()


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Give on what comes until it ends or is not wanted any more, and end the other side then."""
    with closing(target), suppress(OSError):
        while content := await source.read(65536):
            target.write(content)
            await target.drain()


async def _end(listening: asyncio.Server) -> None:
    listening.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
