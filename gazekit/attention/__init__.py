"""Where people looked in a picture: maps, patches, masks, and how alike two maps are."""

from gazekit.attention.maps import attention_map
from gazekit.shapes.rectangles import attended_rectangle, rectangle_of_area

__all__ = ["attended_rectangle", "attention_map", "rectangle_of_area"]
