"""`automl-bench providers`: what is installed, what it can do, whether it can be used, and a package for a new one."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_bench.border.command_lines import quoted_command
from automl_bench.cli import completion
from automl_bench.cli.output import console, print_json, print_table, say, say_plainly
from automl_bench.errors import AutomlBenchError, UsageError

if TYPE_CHECKING:
    from automl_bench.cli.session import Session
    from automl_bench.contract import Limits, ProviderDescription

app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="name of a provider",
        autocompletion=completion.providers,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command("list")
def list_providers(as_json: JsonOption = False) -> None:
    """List the installed providers: which can be used here, what others lack, and what failed to load and why.

    No provider is asked: `providers check NAME` finds out whether the credentials are good.

    \b
    Examples:
      automl-bench providers list
      automl-bench providers list --json
    """
    from automl_bench.cli.session import Session
    from automl_bench.providers.discovery import brings_a_provider, extras

    session = Session()
    rows = [_listing(session, name) for name in session.registry.names()]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["provider", "package", "status", "title"],
        [[row["name"], row["package"], row["status"], row["title"]] for row in rows],
    )
    for row in rows:
        if row["reason"]:
            console().print(f"{row['name']}: {row['reason']} {row['remedy']}".rstrip(), markup=False)
    here = {row["name"] for row in rows}
    more = [extra for extra in extras() if extra not in here and brings_a_provider(extra)]
    if more:
        console().print(f"More with: pip install 'automl-bench[{','.join(more)}]'", markup=False)


def _listing(session: Session, name: str) -> dict[str, Any]:
    from automl_bench.contract import Capability

    package = " and ".join(plugin.package for plugin in session.registry.plugins if plugin.name == name)
    row: dict[str, Any] = {"name": name, "package": package, "status": "ok", "title": "", "reason": "", "remedy": ""}
    if session.registry.only_listens(name):
        return {**row, "status": "observer", "title": "no provider: it listens to what happens"}
    try:
        description = session.provider(name).description
    except AutomlBenchError as error:
        return {**row, "status": "failed", "reason": error.message, "remedy": error.remedy}
    row |= {"title": description.title, "capabilities": sorted(description.capabilities)}
    bound, problems = session.bind_as_far_as_possible(name)
    lacking = [
        setting.env or setting.name
        for setting in description.settings
        if setting.required and setting.name not in bound.settings and not os.environ.get(setting.env)
    ]
    if problems and not lacking:
        return {**row, "status": "incomplete", "reason": " ".join(problems)}
    if lacking:
        return {**row, "status": "incomplete", "reason": f"lacks {', '.join(lacking)}.", "lacks": lacking}
    if description.on_this_machine or description.simulated or Capability.CHECK_ACCESS not in description.capabilities:
        return row
    unset = [setting.env for setting in description.settings if setting.secret and not os.environ.get(setting.env)]
    reason = f"{', '.join(unset)} {'is' if len(unset) == 1 else 'are'} not set." if unset else "not asked yet."
    return {
        **row,
        "status": "not checked",
        "reason": reason,
        "remedy": f"Find out with {quoted_command('providers', 'check', name)}.",
    }


@app.command("show")
def show(
    name: NameArgument,
    as_json: JsonOption = False,
    policy: Annotated[
        bool, typer.Option("--policy", help="Print only the least-privilege permissions it needs.")
    ] = False,
) -> None:
    """Show what a provider can do: capabilities, limits, settings, variants, prices.

    \b
    Examples:
      automl-bench providers show local
      automl-bench providers show NAME --policy > policy.json
    """
    from automl_bench.cli.session import Session

    session = Session()
    if policy:
        print_policy(session.provider(name).description)
        return
    shown = _description(session, session.provider(name).description)
    if as_json:
        print_json(shown)
        return
    out = console()
    out.print(f"{shown['title']} ({name})", style="bold", markup=False)
    out.print(f"capabilities: {', '.join(shown['capabilities'])}", markup=False)
    out.print(f"learns from: {', '.join(shown['modalities'])}", markup=False)
    out.print(f"split policy: {shown['split_policy']}", markup=False)
    if shown["limits"]:
        print_table(["limit", "value"], [[key, str(value)] for key, value in shown["limits"].items()])
    for kind, limits in shown["modality_limits"].items():
        print_table([f"limit for {kind}", "value"], [[key, str(value)] for key, value in limits.items()])
    if shown["settings"]:
        columns = ["setting", "environment", "takes", "default", "secret", "meaning"]
        print_table(columns, [[item[column] for column in columns] for item in shown["settings"]])
    if shown["variant_settings"]:
        columns = ["variant setting", "takes", "default", "meaning"]
        rows = [
            [item["setting"], item["takes"], item["default"], item["meaning"]] for item in shown["variant_settings"]
        ]
        print_table(columns, rows)
    print_table(["variant", "settings"], [[f"{name}:{key}", str(value)] for key, value in shown["variants"].items()])
    if shown["prices"]:
        columns = ["item", "usd", "unit", "as_of", "source"]
        print_table(columns, [[item[column] for column in columns] for item in shown["prices"]])


def print_policy(description: ProviderDescription) -> None:
    """Print a provider's permissions as they are, so that the output can go into a file.

    Raises:
        UsageError: If it needs none.
    """
    if not description.policy:
        raise UsageError(f"{description.name} needs no permissions that could be set.")
    say_plainly(description.policy.rstrip("\n"))


def _description(session: Session, description: ProviderDescription) -> dict[str, Any]:
    from automl_bench.toolkit.setting_values import wanted

    file = session.provider_file(description.name)
    variants = {**description.variants, **file.variants}
    return {
        "name": description.name,
        "title": description.title,
        "capabilities": sorted(description.capabilities),
        "modalities": sorted(description.modalities),
        "split_policy": description.split_policy,
        "on_this_machine": description.on_this_machine,
        "default_variant": description.default_variant,
        "limits": _limits(description.limits),
        "modality_limits": {str(kind): _limits(limits) for kind, limits in description.modality_limits.items()},
        "settings": [
            {
                "setting": setting.name,
                "environment": setting.env,
                "takes": "a secret" if setting.secret else wanted(setting),
                "default": "" if setting.default is None else setting.default,
                "secret": "yes" if setting.secret else "",
                "required": setting.required,
                "meaning": setting.description,
            }
            for setting in description.settings
        ],
        "variant_settings": [
            {
                "setting": setting.name,
                "takes": wanted(setting),
                "default": "" if setting.default is None else setting.default,
                "meaning": setting.description,
            }
            for setting in description.variant_settings or ()
        ],
        "variants": {key: dict(value) for key, value in variants.items()},
        "prices": _prices(session, description),
        "docs_url": description.docs_url,
    }


def _limits(limits: Limits) -> dict[str, Any]:
    return {name: getattr(limits, name) for name in limits.__slots__ if getattr(limits, name) not in (None, ())}


def _prices(session: Session, description: ProviderDescription) -> list[dict[str, Any]]:
    from automl_bench.contract import Capability
    from automl_bench.trials.teardown import provider_context

    if Capability.PRICE not in description.capabilities:
        return []
    bound, _ = session.bind_as_far_as_possible(description.name)
    try:
        table = bound.provider.price(provider_context(bound, session.variant(description.name)))
    except AutomlBenchError as error:
        say(f"{description.name}: its prices cannot be read: {error}")
        return []
    return [
        {
            "item": price.item,
            "usd": "unknown" if price.usd is None else price.usd,
            "unit": price.unit,
            "as_of": price.as_of,
            "source": price.source,
        }
        for price in table
    ]


@app.command("check")
def check(name: NameArgument, as_json: JsonOption = False) -> None:
    """Check that a provider can be used: settings, secrets, and one cheap request that creates nothing.

    \b
    Examples:
      automl-bench providers check local
    """
    from automl_bench.cli.session import Session
    from automl_bench.errors import MissingSecret, Unauthenticated
    from automl_bench.settings.secrets import Secrets
    from automl_bench.trials.teardown import provider_context

    bound = Session().bind(name)
    missing = Secrets(name, bound.provider.description.settings).missing()
    if missing:
        exports = " ".join(f"{variable}=…" for variable in missing)
        raise MissingSecret(f"{name} needs {', '.join(missing)}, which is not set.", remedy=f"export {exports}")
    bound.cache_dir.mkdir(parents=True, exist_ok=True)
    report = bound.provider.check_access(provider_context(bound))
    if as_json:
        print_json({"name": name, "ok": report.ok, "account": report.account, "notes": report.notes})
    else:
        console().print(f"{name}: {'ok' if report.ok else 'not usable'} {report.account}".rstrip(), markup=False)
        for note in report.notes:
            console().print(f"  {note}", markup=False)
    if not report.ok:
        raise Unauthenticated(f"{name} cannot be used: {'; '.join(report.notes)}.", provider=name)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name of the new provider, as in acme-vision")],
    out: Annotated[Path | None, typer.Option(help="Folder to make.", show_default="automl-bench-NAME")] = None,
    title: Annotated[str, typer.Option(help="Name for people.", show_default="made from NAME")] = "",
) -> None:
    """Write a package for a new provider, whose conformance tests pass at once.

    The package speaks to an invented HTTP service: change the paths to those of yours, then follow
    docs/plugins/tutorial.md and docs/plugins/testing.md.

    \b
    Examples:
      automl-bench providers new acme
      automl-bench providers new acme-vision --out ~/plugins/acme --title "Acme Vision"
    """
    from automl_bench.scaffold.template import write_plugin

    folder = out or Path(f"automl-bench-{name}")
    files = write_plugin(name, folder, title=title)
    out_lines = console()
    for path in files:
        out_lines.print(str(path), markup=False)
    shown = shlex.quote(str(folder))
    out_lines.print(f"next: pip install -e {shown} pytest && pytest {shown}", markup=False, soft_wrap=True)
