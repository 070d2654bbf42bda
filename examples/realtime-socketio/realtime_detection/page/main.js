// Frames of a camera, a video or a picture go out, boxes come back.
/* global io */

import { Counts, boxes, draw } from './boxes.js';

const $ = (id) => document.getElementById(id);
const [video, image, canvas] = [$('video'), $('image'), $('boxes')];
const frame = document.createElement('canvas');
const counts = new Counts();
const socket = io({ transports: ['websocket'] });
/** Frames without an answer yet. The server looks at the newest of them; more than a few only fill the line. */
let open = 0;
/** The newest frame that was answered: an answer to an older one is not drawn over it. */
let newest = 0;
let sent = 0;
let address = '';

socket.on('connect', () => { $('connection').textContent = `open, as ${socket.id}`; });
socket.on('disconnect', (reason) => { $('connection').textContent = `closed: ${reason}`; });
socket.on('connect_error', (error) => { $('connection').textContent = `refused: ${error.message}`; });

function warn(words) { $('warning').textContent = words; }

function answered(number, error, answer) {
  open -= 1;
  if (error) return warn('the server did not answer in 10 seconds');
  const what = counts.add(answer);
  $('counts').textContent = String(counts);
  if (!answer.items) return answer.dropped ? undefined : warn(what);
  warn(answer.warning ?? '');
  if (number < newest) return;
  newest = number;
  $('time').textContent = `${(answer.processing_time * 1000).toFixed(0)} ms${answer.cached ? ' (cached)' : ''}`;
  $('found').textContent = boxes(answer, 1, 1).map(({ words }) => words).join(', ') || 'nothing';
  draw(canvas, answer);
}

/** What is shown now, and its size; nothing before it has one. */
function shown() {
  if (!video.hidden && video.videoWidth) return [video, video.videoWidth, video.videoHeight];
  if (!image.hidden && image.naturalWidth) return [image, image.naturalWidth, image.naturalHeight];
  return undefined;
}

async function send() {
  const source = shown();
  if (!source || !socket.connected || open >= 4) return;
  const [element, width, height] = source;
  // Models look at a few hundred pixels; 960 leave enough for small things, and make small frames.
  const scale = Math.min(1, 960 / width);
  frame.width = Math.round(width * scale);
  frame.height = Math.round(height * scale);
  if (canvas.width !== frame.width || canvas.height !== frame.height) {
    [canvas.width, canvas.height] = [frame.width, frame.height];
  }
  frame.getContext('2d').drawImage(element, 0, 0, frame.width, frame.height);
  open += 1;
  sent += 1;
  const number = sent;
  const jpeg = await new Promise((done) => { frame.toBlob(done, 'image/jpeg', 0.8); });
  socket.timeout(10_000).emit('frame', await jpeg.arrayBuffer(), (error, answer) => answered(number, error, answer));
}

function show(element) {
  for (const one of [video, image]) one.hidden = one !== element;
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  video.removeAttribute('src');
  URL.revokeObjectURL(address);
  canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
  warn('');
}

$('camera').addEventListener('click', async () => {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
    show(video);
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    // Without https, browsers give cameras to localhost only.
    warn(`no camera: ${error.message}`);
  }
});

$('file').addEventListener('change', async ({ target }) => {
  const [file] = target.files;
  if (!file) return;
  const element = file.type.startsWith('video/') ? video : image;
  show(element);
  address = URL.createObjectURL(file);
  element.src = address;
  if (element === video) {
    video.loop = true;
    await video.play().catch((error) => warn(`cannot play the file: ${error.message}`));
  }
});

(function next() {
  void send();
  setTimeout(next, 1000 / Math.min(60, Math.max(1, Number($('rate').value) || 10)));
})();
