"""The device's own key, which signs what it sends home: made when it is first needed, and never shown."""

from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.state import State
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import StateError, TrustError
from hakobu_runtime.trust import PrivateKey

_PATIENCE = 30.0
_LARGEST = 64 << 10


def device_key(state: State) -> PrivateKey:
    """Return the device's key, made at the first call; raise StateError when it cannot be read, or made.

    It is not encrypted: nobody is there to type a passphrase. The file can be read by its owner alone.
    """
    with locked(state.key, patience=_PATIENCE):
        try:
            with state.key.open("rb") as file:
                return PrivateKey.from_pem(file.read(_LARGEST), None, str(state.key))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StateError(f"{state.key}: cannot be read: {error.strerror}; check its permissions") from error
        except TrustError as error:
            raise StateError(
                f"{error}; it is the device's own key: move it away, a new one is made; and tell whoever gathers the "
                "counts, who knows the device by the old one"
            ) from error
        key = PrivateKey.generate()
        try:
            write_whole(state.key, key.to_pem(None), mode=0o600)
        except OSError as error:
            raise StateError(
                f"{state.key}: cannot be written: {error.strerror}; free some space or mend the permissions there"
            ) from error
        return key
