"""What a package of your own can add to gazekit: one file each, found by its entry point."""
