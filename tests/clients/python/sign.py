"""Signs tokens with PyJWT, by fresh keys of each kind, and prints them with the key set: as JSON, in one line."""

import base64
import json
import sys
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa


def number(value, length=None):
    raw = value.to_bytes(length or (value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


keys = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
jwks = []
for algorithm, key in keys.items():
    public = key.public_key()
    if algorithm == "RS256":
        numbers = public.public_numbers()
        jwk = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    elif algorithm == "ES256":
        numbers = public.public_numbers()
        jwk = {"kty": "EC", "crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32)}
    else:
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(raw).rstrip(b"=").decode()}
    jwks.append({**jwk, "kid": algorithm, "alg": algorithm, "use": "sig"})

claims = {"exp": int(time.time()) + 600, "iss": "pyjwt", "aud": ["fanfare"], "role": ["reader", "editor"], "sub": "ann"}
tokens = {
    algorithm: jwt.encode(claims, key, algorithm=algorithm, headers={"kid": algorithm}) for algorithm, key in keys.items()
}
json.dump({"jwks": {"keys": jwks}, "tokens": tokens}, sys.stdout)
