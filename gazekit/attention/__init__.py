"""Where people looked in a picture: maps, patches, masks, and how alike two maps are."""
