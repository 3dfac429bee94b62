// The latency of every stage, stacked, and the age of the frames as a line, over the last 30 s.

const WINDOW_MS = 30000;
const MOST_GAP_MS = 1500;
const LEFT_PX = 44;
const BOTTOM_PX = 6;
const STAGE_COLOURS = 5;

const samples = [];

export function addSample(stages, age) {
  const now = performance.now();
  samples.push({ now, stages, age });
  while (samples.length && samples[0].now < now - WINDOW_MS) {
    samples.shift();
  }
}

export function clearSamples() {
  samples.length = 0;
}

function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 5, 10].map((step) => step * power).find((top) => top >= value);
}

function colourOf(style, index) {
  return style.getPropertyValue(`--stage-${index % STAGE_COLOURS}`);
}

export function drawChart(canvas, legend) {
  const ratio = window.devicePixelRatio || 1;
  const wide = Math.round(canvas.clientWidth * ratio);
  const high = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const style = getComputedStyle(document.documentElement);
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, wide, high);
  const newest = samples.at(-1);
  if (!newest) {
    legend.replaceChildren();
    return;
  }
  const total = (sample) => Object.values(sample.stages).reduce((sum, value) => sum + value, 0);
  const heights = samples.map((each) => Math.max(total(each), each.age ?? 0)).sort((a, b) => a - b);
  // One slow frame, as the first one, may leave the picture: it must not flatten all others.
  const top = niceTop(Math.max(1, 1.15 * heights[Math.floor(0.98 * (heights.length - 1))]));
  const left = LEFT_PX * ratio;
  const bottom = high - BOTTOM_PX * ratio;
  const now = performance.now();
  const x = (at) => left + (wide - left) * (1 - (now - at) / WINDOW_MS);
  const y = (value) => bottom - (bottom - 8 * ratio) * Math.min(1.05, value / top);

  context.font = `${12 * ratio}px system-ui, "DejaVu Sans", sans-serif`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const value of [0, top / 2, top]) {
    context.fillStyle = style.getPropertyValue("--rule");
    context.fillRect(left, Math.round(y(value)), wide - left, ratio);
    context.fillStyle = style.getPropertyValue("--quiet");
    const text = value === 0 ? "0 ms" : String(value);
    context.fillText(text, left - 6 * ratio, Math.max(8 * ratio, y(value) - (value ? 0 : 4 * ratio)));
  }

  const names = Object.keys(newest.stages);
  samples.forEach((sample, index) => {
    const next = samples[index + 1];
    const until = Math.min(next ? next.now : now, sample.now + MOST_GAP_MS);
    const from = Math.max(left, x(sample.now));
    let below = 0;
    names.forEach((name, number) => {
      const value = sample.stages[name] ?? 0;
      context.fillStyle = colourOf(style, number);
      const upper = y(below + value);
      context.fillRect(from, upper, Math.max(1, x(until) - from + 0.5), y(below) - upper);
      below += value;
    });
  });
  context.strokeStyle = style.getPropertyValue("--age");
  context.lineWidth = 1.5 * ratio;
  context.beginPath();
  let before = null;
  for (const { now: at, age } of samples) {
    if (age !== null && x(at) >= left) {
      if (before !== null && at - before < MOST_GAP_MS) {
        context.lineTo(x(at), y(age));
      } else {
        context.moveTo(x(at), y(age));
      }
      before = at;
    }
  }
  context.stroke();
  showLegend(legend, style, names, newest);
}

function showLegend(legend, style, names, { stages, age }) {
  const rows = [...names.map((name) => [name, stages[name]]), ["frame age", age]];
  if (legend.children.length !== rows.length) {
    legend.replaceChildren(
      ...rows.map(() => {
        const row = document.createElement("li");
        row.append(document.createElement("i"), document.createElement("span"));
        row.append(document.createElement("b"));
        return row;
      }),
    );
  }
  rows.forEach(([name, value], index) => {
    const [swatch, label, figure] = legend.children[index].children;
    const isAge = index === rows.length - 1;
    swatch.className = isAge ? "line" : "";
    swatch.style.background = isAge ? style.getPropertyValue("--age") : colourOf(style, index);
    label.textContent = name;
    figure.textContent = value === null ? "–" : `${value.toFixed(1)} ms`;
  });
}
