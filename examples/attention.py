"""From fixations to a map, a rectangle and a masked picture: python examples/attention.py [folder]."""

import sys
from pathlib import Path

import gazekit as gk
from gazekit.attention.drawing import heatmap, outline
from gazekit.attention.export import write_picture
from gazekit.attention.fixation_io import read_fixations
from gazekit.pictures import read_picture
from gazekit.shapes.masks import apply_mask
from gazekit.shapes.rectangles import rectangles_to_mask

data = Path(__file__).resolve().parents[1] / "sample_data" / "comparison"
out = Path(sys.argv[1] if len(sys.argv) > 1 else "attention")
out.mkdir(parents=True, exist_ok=True)

fixations = read_fixations(data / "fixations.csv")
here = fixations[fixations["image"] == "0001.jpg"]
picture = read_picture(data / "pictures" / "0001.jpg")

amap = gk.attention_map(here["x_picture"], here["y_picture"], here["duration_ms"], size=picture.shape[:2], sigma_px=8.0)
box = gk.attended_rectangle(amap, share=0.7)
print(f"70 % of looking lies in rows {box[0]} to {box[2]} and columns {box[1]} to {box[3]}")
print(f"NSS of the map at its own fixations: {gk.saliency.nss(amap, here['x_picture'], here['y_picture']):.2f}")

write_picture(out / "heatmap.png", outline(heatmap(picture, amap), [box]))
write_picture(out / "masked.png", apply_mask(picture, rectangles_to_mask([box], picture.shape[:2]), fill="black"))
