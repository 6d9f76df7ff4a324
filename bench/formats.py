"""`python -m bench.formats`: what each form of a licence costs to make, in one thread, and how large it is. No HTTP and no row is measured."""

import os
import resource
import time
from contextlib import closing
from typing import Any

import click
import psycopg
from flask import Flask
from rich.console import Console
from rich.table import Column, Table

from bench.stand import FOLDER
from demo import postgres
from keys.init import init_keys
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from runtime.settings import Settings
from tests import schema
from tests.wallet.issuing.licence_contents import PLACE, new_content, new_key
from wallet.issuing import compact
from wallet.issuing.contents import Content
from wallet.issuing.formats import FORMATS
from wsgi import create_app

NAME = "bench_formats"
FIVE = ("holder_name", "holder_number", "vehicle_class", "birth_date", "licence_valid_until")
ISSUER = Text("示例市公安局交通警察支队", "Traffic Police of Example City")


@click.command()
@click.option("--seconds", default=2.0, show_default=True, help="How long each form is measured.")
def main(seconds: float) -> None:
    """Measure each form."""
    server = postgres.start(FOLDER / "postgres")
    url = schema.create(server, NAME)
    settings = Settings(database_url=url, master_key=os.urandom(32), development=True, log_level="WARNING")
    app = create_app(settings)
    try:
        with app.app_context(), transaction() as session:
            init_keys(session, settings, now=now())
        _measure(app, settings, seconds=seconds)
    finally:
        app.extensions["kabao_cache"].stop()
        app.extensions["kabao_engine"].dispose()
        with closing(psycopg.connect(server.get_uri(), autocommit=True)) as connection:
            connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def _measure(app: Flask, settings: Settings, *, seconds: float) -> None:
    content = new_content(app)
    table = Table(Column("form"), Column("bytes", justify="right"), Column("CPU ms", justify="right"), Column("a second", justify="right"))
    with app.app_context():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for name, make in _makers(settings, content).items():
            began = time.perf_counter()
            size, first = len(make()), time.perf_counter() - began
            cpu, count, began = time.process_time(), 0, time.perf_counter()
            while time.perf_counter() - began < seconds:
                make()
                count += 1
            each = (time.process_time() - cpu) / count
            table.add_row(name, f"{size:,}", f"{each * 1000:.2f}", f"{1 / each:,.0f}" + (f" (the first: {first:.1f} s)" if first > 0.5 else ""))
    Console().print(table)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    click.echo(f"The process grew by {grown} MB, with what documents load.")


def _makers(settings: Settings, content: Content) -> dict[str, Any]:
    from wallet.issuing.documents import sealed

    jwk = new_key()[1]
    signed = {name: lambda one=one: one.make(settings, content, holder_key=jwk, place=PLACE, now=now()) for name, one in FORMATS.items()}
    documents = {
        f"sealed PDF, {kind}": lambda kind=kind: sealed.make(settings, content, issuer=ISSUER, place=PLACE, kind=kind, now=now())
        for kind in ("a4", "card")
    }
    few = {"QR code of five fields": lambda: compact.make(settings, content, fields=FIVE, fresh_for=settings.qr_lifetime, now=now())}
    return {**signed, **few, **documents}


if __name__ == "__main__":
    main()
