"""Certificates for the tests, made with the openssl command in a folder that the test brings."""

import pathlib
import subprocess


class Authority:
    """A certificate authority of its own; what it signs is trusted by whoever is given its file."""

    def __init__(self, folder, name="authority"):
        self.folder = pathlib.Path(folder)
        self.file = self.folder / f"{name}.pem"
        self.key = self.folder / f"{name}.key"
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN=Test {name}", "-keyout", self.key, "-out", self.file)

    def sign(self, *names):
        """A certificate for `names`; the result is what a listener's `certificates` lists."""
        stem = self.folder / f"{self.file.stem}-{names[0]}"
        alternatives = ",".join(f"IP:{name}" if name[0].isdigit() else f"DNS:{name}" for name in names)
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={names[0]}",
            "-keyout", f"{stem}.key", "-out", f"{stem}.csr")
        extensions = stem.with_name(stem.name + ".ext")
        extensions.write_text(f"subjectAltName={alternatives}\n")
        run("x509", "-req", "-in", f"{stem}.csr", "-CA", self.file, "-CAkey", self.key, "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", f"{stem}.pem")
        return {"certificate": f"{stem}.pem", "key": f"{stem}.key", "names": list(names)}


def run(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
