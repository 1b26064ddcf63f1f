# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Odoo's tables in a finished database: the tenant's own, who may have made anything of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from ..errors import Conflict


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Raise what such tables answer as Conflict; ``what`` says what can't be done then.

    A server that went away is no answer: psycopg.OperationalError is passed on.
    """
    try:
        yield
    except psycopg.OperationalError:
        raise
    except (psycopg.Error, ValueError) as error:
        raise Conflict(what, found=" ".join(str(error).split()), expected="Odoo's own tables") from None
