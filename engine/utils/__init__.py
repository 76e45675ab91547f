"""What every package uses and that knows nothing of photos: files, locks, memory, errors."""
