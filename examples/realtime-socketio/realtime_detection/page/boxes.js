// What an answer looks like: pure functions, so that they can be tried without a browser.

const COLORS = ['#e6194b', '#3cb44b', '#4363d8', '#f58231', '#911eb4', '#008080', '#9a6324', '#808000'];

/** The boxes of an answer, in pixels of a canvas of this size, with their words and colors. */
export function boxes(answer, width, height) {
  const sx = width / answer.frame.width;
  const sy = height / answer.frame.height;
  return answer.items.map(({ bbox, label, confidence }) => ({
    x: bbox.x1 * sx,
    y: bbox.y1 * sy,
    width: (bbox.x2 - bbox.x1) * sx,
    height: (bbox.y2 - bbox.y1) * sy,
    words: `${label.name} ${Math.round(confidence * 100)} %`,
    color: COLORS[label.id % COLORS.length],
  }));
}

/** Draws them on a canvas, in place of what was there. */
export function draw(canvas, answer) {
  const context = canvas.getContext('2d');
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.font = '16px system-ui, sans-serif';
  context.lineWidth = 3;
  context.textBaseline = 'top';
  for (const box of boxes(answer, canvas.width, canvas.height)) {
    context.strokeStyle = context.fillStyle = box.color;
    context.strokeRect(box.x, box.y, box.width, box.height);
    // Above the box where there is room, else inside of it.
    const top = box.y >= 20 ? box.y - 20 : box.y;
    context.fillRect(box.x, top, context.measureText(box.words).width + 8, 20);
    context.fillStyle = 'white';
    context.fillText(box.words, box.x + 4, top + 2);
  }
}

/** Counts answers by what they say: looked at, cached, or why not. */
export class Counts {
  #counts = new Map();

  add(answer) {
    const what = kind(answer);
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
    return what;
  }

  toString() {
    return [...this.#counts].map(([what, count]) => `${count} ${what}`).join(', ');
  }
}

function kind(answer) {
  if (answer.items) return answer.cached ? 'cached' : 'looked at';
  for (const what of ['dropped', 'skipped', 'failed']) {
    if (answer[what]) return `${what}: ${answer[what].replaceAll('_', ' ')}`;
  }
  return answer.error ? `refused: ${answer.error.message}` : 'unknown';
}
