// Draws a scene over its picture: masks, boxes, skeletons, labels.

const LABEL_PX = 13;
const PAD_PX = 4;

function isLight(css) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(css.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 128;
}

function drawBoxes(context, boxes, colours, scale, ratio) {
  const width = Math.max(2, Math.round(2 * ratio));
  for (const each of [...boxes].reverse()) {
    const [x1, y1, x2, y2] = each.box.map((value) => value * scale);
    context.lineWidth = width + 2;
    context.strokeStyle = "rgb(0 0 0 / 60%)";
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    context.lineWidth = width;
    context.strokeStyle = colours[each.class];
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
}

// The best first: a label that would cover another is moved below its box, or left out.
function drawLabels(context, boxes, colours, scale, ratio) {
  const size = Math.round(LABEL_PX * ratio);
  const pad = Math.round(PAD_PX * ratio);
  const height = size + 2 * pad;
  const taken = [];
  context.font = `600 ${size}px system-ui, "DejaVu Sans", sans-serif`;
  context.textBaseline = "middle";
  for (const each of boxes) {
    const track = each.track === undefined ? "" : ` #${each.track}`;
    const text = `${each.class}${track} ${each.score.toFixed(2)}`;
    const width = context.measureText(text).width + 2 * pad;
    const [x1, y1, , y2] = each.box.map((value) => value * scale);
    const x = Math.max(0, Math.min(x1, context.canvas.width - width));
    for (const top of [y1 - height, y2]) {
      const y = Math.max(0, Math.min(top, context.canvas.height - height));
      const free = taken.every(
        ([left, upper, right]) =>
          x >= right || x + width <= left || y >= upper + height || y + height <= upper,
      );
      if (free) {
        taken.push([x, y, x + width]);
        context.fillStyle = colours[each.class];
        context.fillRect(x, y, width, height);
        context.fillStyle = isLight(colours[each.class]) ? "#000" : "#fff";
        context.fillText(text, x + pad, y + height / 2 + ratio);
        break;
      }
    }
  }
}

function drawSkeletons(context, header, scale, ratio) {
  const sure = header.min_keypoint_score;
  for (const [task, poses] of Object.entries(header.scene.poses)) {
    const { joined, colours } = header.limbs[task];
    for (const { keypoints } of poses) {
      const at = (name) => keypoints[name].slice(0, 2).map((value) => value * scale);
      const seen = (name) => keypoints[name][2] >= sure;
      context.lineWidth = Math.max(2, 1.5 * ratio);
      context.lineCap = "round";
      for (const [a, b, colour] of joined) {
        if (seen(a) && seen(b)) {
          context.strokeStyle = colour;
          context.beginPath();
          context.moveTo(...at(a));
          context.lineTo(...at(b));
          context.stroke();
        }
      }
      for (const name of Object.keys(keypoints).filter(seen)) {
        context.fillStyle = colours[name];
        context.beginPath();
        context.arc(...at(name), Math.max(2, 1.5 * ratio), 0, 2 * Math.PI);
        context.fill();
      }
    }
  }
}

// header: of a frame, see feed.py; shown: which overlays are on; ratio: device pixels a CSS pixel.
export function drawScene(canvas, header, picture, masks, shown) {
  const ratio = window.devicePixelRatio || 1;
  const { width, height, detections } = header.scene;
  canvas.style.aspectRatio = `${width} / ${height}`;
  const wide = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const high = Math.max(1, Math.round((wide * height) / width));
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0, wide, high);
  if (shown.masks) {
    context.imageSmoothingEnabled = false;
    masks.forEach((mask) => context.drawImage(mask, 0, 0, wide, high));
    context.imageSmoothingEnabled = true;
  }
  const scale = wide / width;
  if (shown.skeletons) {
    drawSkeletons(context, header, scale, ratio);
  }
  for (const boxes of Object.values(detections)) {
    if (shown.boxes) {
      drawBoxes(context, boxes, header.colours, scale, ratio);
    }
    if (shown.labels) {
      drawLabels(context, boxes, header.colours, scale, ratio);
    }
  }
}
