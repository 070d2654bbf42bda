// `node --test page`

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counts, boxes, draw } from './boxes.js';

const answer = {
  frame: { width: 200, height: 100 },
  items: [{ bbox: { x1: 20, y1: 40, x2: 60, y2: 90 }, label: { id: 3, name: 'car' }, confidence: 0.876 }],
  cached: false,
};

test('boxes are in pixels of the canvas', () => {
  const [box, ...others] = boxes(answer, 400, 300);
  assert.deepEqual(others, []);
  assert.deepEqual([box.x, box.y, box.width, box.height, box.words], [40, 120, 80, 150, 'car 88 %']);
});

test('a drawing takes the place of the one before', () => {
  const calls = [];
  const context = new Proxy({}, {
    get: (_, name) => (...values) => { calls.push([name, ...values]); return { width: 50 }; },
    set: () => true,
  });
  draw({ width: 400, height: 300, getContext: () => context }, answer);
  assert.deepEqual(calls[0], ['clearRect', 0, 0, 400, 300]);
  assert.ok(calls.some(([name, ...values]) => name === 'strokeRect' && values.join() === '40,120,80,150'));
  assert.ok(calls.some(([name, words]) => name === 'fillText' && words === 'car 88 %'));
});

test('answers are counted by what they say', () => {
  const counts = new Counts();
  const answers = [answer, { ...answer, cached: true }, { dropped: 'newer' }, { skipped: 'rate_limited' }, { dropped: 'newer' }];
  for (const one of answers) counts.add(one);
  assert.equal(counts.add({ error: { message: 'no picture' } }), 'refused: no picture');
  assert.equal(
    String(counts),
    '1 looked at, 1 cached, 2 dropped: newer, 1 skipped: rate limited, 1 refused: no picture',
  );
});
