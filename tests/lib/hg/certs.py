"""Certificates for 127.0.0.1, made by the openssl command."""
import subprocess


def make(folder, name="here"):
    """Files (certificate, key) in the folder; the certificate is its own authority."""
    cert, key = folder / f"{name}.cert.pem", folder / f"{name}.key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return cert, key
