"""The command line: ``python -m webhook_runner web | worker | fork | sync ACCOUNT | retry RUN | openapi``."""

from __future__ import annotations

import argparse
import json
import sys
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError
from webhook_runner import logs
from webhook_runner.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors a user can act on are one line, not a traceback."""
    options = _parser().parse_args(arguments)
    logs.configure()
    try:
        return _run(options, Settings.from_environment())
    except PlatformError as error:
        sys.stderr.write(f"webhook_runner: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="webhook_runner", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("web", help="take Kill Bill's events and serve the API")
    commands.add_parser("worker", help="sync accounts and run playbooks")
    commands.add_parser("fork", help="keep Ansible loaded, to start playbooks faster")
    sync = commands.add_parser("sync", help="read an account from Kill Bill now, and queue what follows")
    sync.add_argument("account", type=UUID, help="Kill Bill's id of the account")
    retry = commands.add_parser("retry", help="try again what a failed run was for")
    retry.add_argument("run", type=UUID, help="the run's id")
    commands.add_parser("openapi", help="print the description of the API")
    return parser


def _run(options: argparse.Namespace, settings: Settings) -> int:
    match options.command:
        case "web":
            from webhook_runner.web import serve

            serve(settings)
            return 0
        case "worker":
            from webhook_runner.worker import main as work

            return work(settings)
        case "fork":
            from webhook_runner.execution import become_fork_server

            become_fork_server(settings)
            return 0
        case _:
            return _once(options, settings)


def _once(options: argparse.Namespace, settings: Settings) -> int:
    from webhook_runner import converge
    from webhook_runner.application import create_app
    from webhook_runner.services import make
    from webhook_runner.sync import sync

    services = make(settings, connections=2)
    services.registry.open()
    try:
        if options.command == "openapi":
            text = json.dumps(create_app(settings, services).spec, indent=2)
        elif options.command == "sync":
            text = sync(services, options.account, cause="operator:cli", correlation_id="")
        else:
            with services.registry.transaction(cause="operator:cli") as connection:
                queued = converge.retry(connection, options.run, cause=f"retry:{options.run}")
            text = "queued" if queued else "a retry is queued already"
    finally:
        services.registry.close()
    sys.stdout.write(f"{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
