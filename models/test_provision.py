"""Tests of provision.py against a server on this machine; no network, no onnx.

Run: python -m unittest discover -s models
"""

import contextlib
import hashlib
import http.server
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import provision  # noqa: E402

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path != "/unsized":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.path == "/truncated":
            self.wfile.write(CONTENT[: len(CONTENT) // 3])
            return
        if self.path == "/slow":
            time.sleep(0.3)
        if self.path == "/wrong":
            self.wfile.write(CONTENT[::-1])
            return
        with contextlib.suppress(ConnectionError):
            self.wfile.write(CONTENT)

    def log_message(self, *_):
        pass


class ProvisionTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.cache = self.folder / "cache"
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.asked = []
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def url(self, path):
        return {"kind": "url", "url": f"http://127.0.0.1:{self.server.server_port}{path}"}

    def manifest(self, *sources, sha256=SHA256, file="m.onnx", size=len(CONTENT)):
        lines = [
            "[[model]]",
            'name = "m"\npurpose = "a test"\nlicence = "MIT"\ndefault = true',
            f'file = "{file}"\nsha256 = "{sha256}"\nsize_bytes = {size}',
            '[model.spec]\nfamily = "yolox"\nlabels = "coco80"',
        ]
        for source in sources:
            lines.append("[[model.source]]")
            lines += [f'{key} = "{value}"' for key, value in source.items()]
        path = self.folder / "manifest.toml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def run_main(self, manifest, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = provision.main(["--manifest", str(manifest), "--cache", str(self.cache), *arguments])
        return code, out.getvalue(), err.getvalue()

    def visible(self):
        """What a user of the cache sees; locks are not models, half files would be."""
        return sorted(p.name for p in self.cache.glob("*") if p.suffix != ".lock") if self.cache.exists() else []

    def test_good_download(self):
        code, out, err = self.run_main(self.manifest(self.url("/good")))
        self.assertEqual((code, out.count("m: installed")), (0, 1), err)
        self.assertEqual((self.cache / "m.onnx").read_bytes(), CONTENT)
        self.assertEqual(self.visible(), ["m.onnx", "m.spec.toml"])
        self.assertIn('family = "yolox"\nlabels = "coco80"\n', (self.cache / "m.spec.toml").read_text())
        self.assertIn("100 %", err)

    def test_download_without_a_length(self):
        code, _, err = self.run_main(self.manifest(self.url("/unsized")))
        self.assertEqual(code, 0, err)

    def test_wrong_hash_is_refused_and_leaves_nothing(self):
        code, out, err = self.run_main(self.manifest(self.url("/wrong")))
        self.assertEqual((code, out), (1, ""))
        self.assertIn("not the recorded", err)
        self.assertEqual(self.visible(), [])

    def test_truncated_download_leaves_nothing(self):
        code, _, err = self.run_main(self.manifest(self.url("/truncated")))
        self.assertEqual(code, 1)
        self.assertIn("broke off", err)
        self.assertEqual(self.visible(), [])

    def test_too_large_a_download_is_cut_short(self):
        for path in ("/good", "/unsized"):
            code, _, err = self.run_main(self.manifest(self.url(path), size=1000))
            self.assertEqual(code, 1)
            self.assertIn("1000", err)
            self.assertEqual(self.visible(), [])

    def test_sources_are_tried_in_order(self):
        local = {"kind": "local", "path": (self.folder / "absent.onnx").as_posix()}
        sources = (local, self.url("/missing"), self.url("/wrong"), self.url("/good"), self.url("/never"))
        code, _, err = self.run_main(self.manifest(*sources))
        self.assertEqual(code, 0, err)
        self.assertEqual(self.server.asked, ["/missing", "/wrong", "/good"])
        self.assertIn("404", err)
        self.assertEqual(self.visible(), ["m.onnx", "m.spec.toml"])

    def test_when_all_fail_every_source_is_listed(self):
        code, _, err = self.run_main(self.manifest(self.url("/missing"), self.url("/truncated")), "--quiet")
        self.assertEqual(code, 1)
        for text in ("/missing", "/truncated", "What to do"):
            self.assertEqual(err.count(text), 1, err)

    def test_local_source(self):
        (self.folder / "here.onnx").write_bytes(CONTENT)
        local = {"kind": "local", "path": "$GUARITA_ASSETS/here.onnx"}
        before = os.environ.get("GUARITA_ASSETS")
        os.environ["GUARITA_ASSETS"] = str(self.folder)
        try:
            code, _, err = self.run_main(self.manifest(local))
        finally:
            os.environ.pop("GUARITA_ASSETS")
            if before is not None:
                os.environ["GUARITA_ASSETS"] = before
        self.assertEqual(code, 0, err)

    def test_second_run_changes_nothing(self):
        manifest = self.manifest(self.url("/good"))
        self.run_main(manifest)
        before = {p.name: p.stat().st_mtime_ns for p in self.cache.iterdir() if p.suffix != ".lock"}
        code, out, err = self.run_main(manifest)
        after = {p.name: p.stat().st_mtime_ns for p in self.cache.iterdir() if p.suffix != ".lock"}
        self.assertEqual((code, err, len(out.splitlines())), (0, "", 1))
        self.assertIn("m: ready", out)
        self.assertEqual(before, after)
        self.assertEqual(len(self.server.asked), 1)

    def test_damaged_file_in_the_cache_is_replaced(self):
        self.cache.mkdir()
        (self.cache / "m.onnx").write_bytes(b"damaged")
        (self.cache / ".m.onnx.part").write_bytes(b"left by a run that was killed")
        code, _, err = self.run_main(self.manifest(self.url("/good")))
        self.assertEqual(code, 0, err)
        self.assertEqual((self.cache / "m.onnx").read_bytes(), CONTENT)
        self.assertEqual(self.visible(), ["m.onnx", "m.spec.toml"])

    def test_model_without_a_hash_needs_consent(self):
        manifest = self.manifest(self.url("/good"), sha256="")
        code, _, err = self.run_main(manifest)
        self.assertEqual((code, self.visible(), self.server.asked), (1, [], []))
        self.assertIn("--accept-unverified", err)
        code, out, err = self.run_main(manifest, "--accept-unverified")
        self.assertEqual(code, 0, err)
        self.assertIn(SHA256, out)

    def test_two_runs_at_once(self):
        manifest = self.manifest(self.url("/slow"))
        command = [sys.executable, str(HERE / "provision.py"), "--manifest", str(manifest), "--cache", str(self.cache)]
        runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        results = [run.communicate(timeout=20) for run in runs]
        self.assertEqual([run.returncode for run in runs], [0, 0], results)
        self.assertEqual((self.cache / "m.onnx").read_bytes(), CONTENT)
        self.assertEqual(self.visible(), ["m.onnx", "m.spec.toml"])
        if provision.fcntl:
            self.assertEqual(self.server.asked, ["/slow"])

    def test_unknown_model(self):
        code, _, err = self.run_main(self.manifest(self.url("/good")), "nonsense")
        self.assertEqual(code, 2)
        self.assertIn("known models: m", err)

    def test_a_file_that_leaves_the_cache_is_refused(self):
        for file in ("../m.onnx", "/m.onnx", "a/m.onnx", r"a\\m.onnx", "c:m.onnx", "..", ".onnx"):
            code, _, err = self.run_main(self.manifest(self.url("/good"), file=file))
            self.assertEqual(code, 2, file)
            self.assertIn("plain name", err)
        self.assertEqual((self.server.asked, self.visible()), ([], []))

    def test_plain_http_elsewhere_is_refused(self):
        code, _, err = self.run_main(self.manifest({"kind": "url", "url": "http://example.invalid/m.onnx"}))
        self.assertEqual(code, 1)
        self.assertIn("only https", err)

    def test_list_shows_what_is_in_the_cache(self):
        manifest = self.manifest(self.url("/good"))
        self.assertRegex(self.run_main(manifest, "--list")[1], r"m +MIT +yes +no +a test")
        self.run_main(manifest)
        self.assertRegex(self.run_main(manifest, "--list")[1], r"m +MIT +yes +yes +a test")

    def test_the_real_manifest_is_well_formed(self):
        models = provision.read_manifest(HERE / "manifest.toml")
        self.assertEqual([name for name, model in models.items() if model["default"]], ["coco_ssd_mobilenet_v2"])
        for model in models.values():
            for source in model["source"]:
                self.assertIn(source["kind"], provision.SOURCES)
            provision.spec_text(model)


if __name__ == "__main__":
    unittest.main()
