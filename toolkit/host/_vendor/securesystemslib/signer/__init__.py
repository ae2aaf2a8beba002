"""
The Signer API

This module provides extensible interfaces for public keys and signers:
Some implementations are provided by default but more can be added by users.
"""

# ruff: noqa: F401
from toolkit.host._vendor.securesystemslib.signer._constants import (
    ECDSA_SHA2_NISTP256,
    ECDSA_SHA2_NISTP384,
    ECDSA_SHA2_NISTP521,
    ED25519,
    KEY_TYPE_ECDSA,
    KEY_TYPE_ED25519,
    KEY_TYPE_MLDSA,
    KEY_TYPE_RSA,
    MLDSA_44_1,
    MLDSA_65_1,
    MLDSA_87_1,
    RSA_PKCS1V15_SHA224,
    RSA_PKCS1V15_SHA256,
    RSA_PKCS1V15_SHA384,
    RSA_PKCS1V15_SHA512,
    RSASSA_PSS_SHA224,
    RSASSA_PSS_SHA256,
    RSASSA_PSS_SHA384,
    RSASSA_PSS_SHA512,
)
from toolkit.host._vendor.securesystemslib.signer._key import KEY_FOR_TYPE_AND_SCHEME, Key, SSlibKey
from toolkit.host._vendor.securesystemslib.signer._signature import Signature
from toolkit.host._vendor.securesystemslib.signer._signer import (
    SIGNER_FOR_URI_SCHEME,
    SecretsHandler,
    Signer,
)

# Register supported key types and schemes, and the Keys implementing them
KEY_FOR_TYPE_AND_SCHEME.update(
    {
        (KEY_TYPE_ECDSA, ECDSA_SHA2_NISTP256): SSlibKey,
        (KEY_TYPE_ECDSA, ECDSA_SHA2_NISTP384): SSlibKey,
        (KEY_TYPE_ECDSA, ECDSA_SHA2_NISTP521): SSlibKey,
        # Deprecated: legacy keytype strings (keytype == scheme), use KEY_TYPE_ECDSA
        (ECDSA_SHA2_NISTP256, ECDSA_SHA2_NISTP256): SSlibKey,
        (ECDSA_SHA2_NISTP384, ECDSA_SHA2_NISTP384): SSlibKey,
        (ECDSA_SHA2_NISTP521, ECDSA_SHA2_NISTP521): SSlibKey,
        (KEY_TYPE_ED25519, ED25519): SSlibKey,
        # ML-DSA keytype defined in https://github.com/theupdateframework/taps/blob/master/tap21.md
        (KEY_TYPE_MLDSA, MLDSA_44_1): SSlibKey,
        (KEY_TYPE_MLDSA, MLDSA_65_1): SSlibKey,
        (KEY_TYPE_MLDSA, MLDSA_87_1): SSlibKey,
        (KEY_TYPE_RSA, RSASSA_PSS_SHA256): SSlibKey,
        (KEY_TYPE_RSA, RSASSA_PSS_SHA384): SSlibKey,
        (KEY_TYPE_RSA, RSASSA_PSS_SHA512): SSlibKey,
        (KEY_TYPE_RSA, RSA_PKCS1V15_SHA256): SSlibKey,
        (KEY_TYPE_RSA, RSA_PKCS1V15_SHA384): SSlibKey,
        (KEY_TYPE_RSA, RSA_PKCS1V15_SHA512): SSlibKey,
    }
)
