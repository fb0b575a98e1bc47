"""What every room stands on: configuration, files, checksums, tables, parallel work, progress, types, errors."""

from __future__ import annotations
