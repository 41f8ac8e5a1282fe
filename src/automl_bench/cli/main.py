"""The command line: which commands there are, and how an error ends one."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, TextIO, overload

import typer

from automl_bench import __version__
from automl_bench.border.command_lines import command_line, one_command, set_workspace_option
from automl_bench.border.streams import plugins_print_to_the_log, release
from automl_bench.border.texts import ScrubbingFilter, clean, remember_environment
from automl_bench.cli import (
    ablate,
    bench_self,
    compare,
    data,
    experiments,
    first_steps,
    pipelines,
    plan,
    providers,
    records,
    report,
    reproducing,
    resources,
    results,
    status,
    ui,
    verbs,
    watch,
)
from automl_bench.cli.output import say, say_plainly, trace_of
from automl_bench.cli.streams import speak_plainly, steady_streams
from automl_bench.errors import (
    AutomlBenchError,
    ExitCode,
    Interrupted,
    InvalidMeasurement,
    RecordsError,
    ResourcesLeft,
    WorkspaceError,
)
from automl_bench.settings.workspace import WORKSPACE_VARIABLE, Workspace
from automl_bench.trials.interruption import handling

app = typer.Typer(
    name="automl-bench",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_debug = False

PLUGINS = "Plugins"
"""Where `--help` shows the commands that plugins add."""

GRACE_SECONDS = 3.0
"""What a thread that a plugin left behind may take to end once the command is done."""


def _print_version(wanted: bool) -> None:
    if wanted:
        say_plainly(f"automl-bench {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", "-w", help="Folder of data, configs, results and reports.", show_default="."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and every log line.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Which hosted AutoML service should you use for [bold]your[/] labelled data?

    automl-bench sends the same nested training subsets to every provider, trains, deploys, measures and tears down,
    and reports accuracy, latency, throughput and training time with honest intervals.

    \b
    Examples:
      automl-bench demo                                  a whole comparison on this machine
      automl-bench data import pets ~/pictures/pets      bring your own folder of class folders
      automl-bench plan configs/experiments/demo.toml    feasibility, dollars, hours, power: before any request
      automl-bench run configs/experiments/demo.toml     all stages of all trials; again to resume
      automl-bench report demo                           one HTML file to show around
    """
    global _debug
    _debug = debug
    if workspace is not None:
        os.environ[WORKSPACE_VARIABLE] = str(workspace.absolute())
        set_workspace_option(str(workspace))
    elif context.invoked_subcommand != "init" and not os.environ.get(WORKSPACE_VARIABLE):
        _name_the_workspace()
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.ERROR, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger().addHandler(_TracebackFile(level=logging.WARNING))
    for handler in logging.getLogger().handlers:
        if not debug and not isinstance(handler, _TracebackFile):
            handler.setFormatter(_OneLine("%(levelname)s %(name)s: %(message)s"))
    for noisy in ("matplotlib", "PIL", "urllib3", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(ScrubbingFilter())


def _name_the_workspace() -> None:
    """Say which workspace was found, where that is not the current folder."""
    root = Workspace.current().root
    if root != Path.cwd():
        say(f"workspace: {root}")


class _OneLine(logging.Formatter):
    """Leaves tracebacks out: they would bury what the line says."""

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the name is logging's
        return ""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).strip()


class _TracebackFile(logging.Handler):
    """Appends warnings, with their tracebacks, to the workspace's log file; nothing if it cannot be written."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is None:
            return
        record.exc_text = None  # whatever another handler's formatter made of it
        text = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {logging.Formatter().format(record)}\n"
        record.exc_text = None
        path = Workspace.current().log_file
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(text)


first_steps.register(app)
app.add_typer(data.app, name="data", help="Datasets: list, show, fetch, import, check, push, pull.")
app.command("ablate", rich_help_panel="Data")(ablate.ablate)
verbs.register(app)
app.command("plan", rich_help_panel="Experiments")(plan.plan)
experiments.register(app)
app.command("status", rich_help_panel="Experiments")(status.status)
app.command("watch", rich_help_panel="Experiments")(watch.watch)
app.command("ui", rich_help_panel="Results")(ui.ui)
app.add_typer(results.app, name="results")
app.command("compare", rich_help_panel="Results")(compare.compare)
app.command("report", rich_help_panel="Results")(report.report)
app.command("reproduce", rich_help_panel="Results")(reproducing.reproduce)
report.export_app.command("dvc")(pipelines.export_dvc)
report.export_app.command("environment")(records.export_environment)
app.add_typer(report.export_app, name="export", rich_help_panel="Results")
app.add_typer(
    pipelines.app,
    name="pipeline",
    help="Steps of an experiment for DVC, make or a scheduler: trial, metrics.",
    rich_help_panel="Experiments",
)
app.command("resources", rich_help_panel="Experiments")(resources.resources)
app.add_typer(providers.app, name="providers", help="Providers: list, show, check, new.")
app.command("bench-self", rich_help_panel="Results")(bench_self.bench_self)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every way out goes through here and ends with an `ExitCode`."""
    code: int = ExitCode.OK
    speak_plainly()
    try:
        with steady_streams() as steady:
            code = run(arguments, own_process=True, steady=steady)
    except WorkspaceError as error:
        code = code or _explain(error)
    _leave_no_thread_waiting(code)
    sys.exit(code)


def run(
    arguments: list[str] | None = None,
    *,
    own_process: bool = False,
    steady: Callable[[TextIO], TextIO] = lambda stream: stream,
) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: What follows "automl-bench"; by default this process's own.
        own_process: Whether descriptor 1 belongs to the command, so that it may be kept from plugins.
        steady: Makes a stream outlive its reader.
    """
    remember_environment()
    with plugins_print_to_the_log(descriptor_too=own_process, steady=steady), one_command():
        return _run(arguments)


def _run(arguments: list[str] | None) -> int:
    try:
        with handling(_interrupt):
            _mount_plugin_commands(sys.argv[1:] if arguments is None else arguments)
            outcome = app(args=arguments, standalone_mode=False)
        # Without its standalone mode typer returns the code of an exit, that after Ctrl-C included.
        code = outcome if isinstance(outcome, int) else ExitCode.OK
    except (WorkspaceError, RecordsError) as error:
        return _explain(_with_what_remains(error))
    except AutomlBenchError as error:
        return _explain(error)
    except typer.Exit as error:
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = ExitCode.INTERRUPTED
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else ExitCode.UNEXPECTED
    except Exception as error:  # noqa: BLE001  # the last resort of every command
        code = _explain_unexpected(error)
        return _explain(left) if (left := _with_what_remains(None)) else code
    if code == ExitCode.INTERRUPTED:
        return _explain(_with_what_remains(None) or Interrupted("stopped on request.", remedy=""))
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End a command that has nothing to tear down, whichever of the signals came."""
    raise KeyboardInterrupt


@overload
def _with_what_remains(error: AutomlBenchError) -> AutomlBenchError: ...


@overload
def _with_what_remains(error: None) -> AutomlBenchError | None: ...


def _with_what_remains(error: AutomlBenchError | None) -> AutomlBenchError | None:
    """Return the error that names what this command leaves and is billed by the hour, where anything is."""
    from automl_bench.cli.parting import billed_here
    from automl_bench.trials.teardown import complain

    try:
        complain(billed_here(), because=error)
    except ResourcesLeft as left:
        return left
    return error


def _explain(error: AutomlBenchError) -> int:
    if _debug:
        say(trace_of(error))
    say(f"error: {error}")
    details = error.items if isinstance(error, ResourcesLeft) else ()
    details = error.reasons if isinstance(error, InvalidMeasurement) else details
    for line in details:
        say(f"  - {line}")
    if isinstance(error, ResourcesLeft) and details:
        from automl_bench.cli.parting import keep_list

        where = keep_list(details)
        say(f"This list is in {where}." if where else "This list could be written nowhere.")
    return int(error.exit_code)


def _explain_unexpected(error: Exception) -> int:
    """Turn a usage error of the command line into one line, and a bug into a file with its traceback."""
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        context = getattr(error, "ctx", None)
        words = [] if context is None else context.command_path.split()[1:]
        hint = "" if context is None else f" See: {command_line(*words, '--help')}"
        message = str(error.format_message()).rstrip(".")
        if type(error).__name__ == "NoArgsIsHelpError":  # the help has been printed: nothing else was asked for
            return ExitCode.OK
        say(f"error: {message}{'' if message.endswith('?') else '.'}{hint}")
        return ExitCode.USAGE
    trace = trace_of(error)
    if _debug:
        say(trace)
    where = _keep_traceback(trace)
    say(f"error: this is a bug in automl-bench: {type(error).__name__}: {clean(str(error))}.")
    say(f"The traceback is in {where}; please report it." if where else "Run it with --debug.")
    return ExitCode.UNEXPECTED


def _keep_traceback(trace: str) -> Path | None:
    folder = Workspace.current().logs
    path = folder / f"error-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(trace, encoding="utf-8")
    except OSError:
        return None
    return path


def _mount_plugin_commands(arguments: list[str]) -> None:
    """Load the plugins' commands: for a list of commands, and when the command asked for is none of ours.

    Commands of ours never wait for plugins that they do not use.
    """
    if not _concerns_plugins(arguments):
        return
    from automl_bench.providers.discovery import PluginRegistry
    from automl_bench.providers.host import Observers

    registry = PluginRegistry()
    registry.load_all(mentioning="register_commands")
    before = len(app.registered_commands), len(app.registered_groups)
    Observers(registry).tell("register_commands", app=app)
    for command in app.registered_commands[before[0] :]:
        command.rich_help_panel = command.rich_help_panel if isinstance(command.rich_help_panel, str) else PLUGINS
    for group in app.registered_groups[before[1] :]:
        group.rich_help_panel = group.rich_help_panel if isinstance(group.rich_help_panel, str) else PLUGINS
    # A plugin's own command prints what it likes.
    release()


def _concerns_plugins(arguments: list[str]) -> bool:
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    known = groups.keys() | {command.name for command in app.registered_commands}
    asks_for_help = {"-h", "--help"}
    position = next((index for index, word in enumerate(arguments) if word in known), None)
    if position is None:
        words = [word for word in arguments if not word.startswith("-")]
        return bool(words) or not arguments or bool(asks_for_help & set(arguments))
    group, following = groups.get(arguments[position]), arguments[position + 1 : position + 2]
    if group is None or not following:
        return False
    own = {command.name for command in group.registered_commands}
    return following[0] in asks_for_help or not (following[0].startswith("-") or following[0] in own)


def _leave_no_thread_waiting(code: int) -> None:
    """End the process although a thread that a plugin left behind goes on: Python itself would wait for it."""
    waited_for = [
        thread
        for thread in threading.enumerate()
        if thread is not threading.current_thread() and not thread.daemon and thread.is_alive()
    ]
    if waited_for:
        threading.Thread(target=_end_after_grace, args=(code, waited_for), name="last-word", daemon=True).start()


def _end_after_grace(code: int, threads: list[threading.Thread]) -> None:
    time.sleep(GRACE_SECONDS)
    names = ", ".join(sorted(thread.name for thread in threads if thread.is_alive()))
    say(f"warning: a plugin left a thread behind ({names or 'ended by now'}); automl-bench does not wait for it.")
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
