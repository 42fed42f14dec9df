"""An archive asked over HTTP: keys, limits, an audit log, and no way to anything but the archive."""
