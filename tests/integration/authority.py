"""A certificate authority of a test's own, by openssl alone."""
import subprocess


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, **options).stdout


class Authority:
    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self.crt, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.crt)

    def issue(self, name, common_name=None, file=None):
        """A certificate for 127.0.0.1 and its key: two paths. `file`: where to put them, if not by name."""
        crt, key = (self.folder / f"{file or name}.{end}" for end in ("crt", "key"))
        request = self.folder / f"{name}.csr"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={common_name or name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.crt, "-CAkey", self.key, "-CAcreateserial", "-days", "2",
                "-extfile", "-", "-out", crt, input=b"subjectAltName=IP:127.0.0.1")
        key.chmod(0o600)
        return crt, key
