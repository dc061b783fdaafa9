"use strict";
// Where the picture lies in a pane. A view is {scale, x, y}: screen units for each picture pixel, and the picture
// point in the middle of the pane. Nothing here knows of the document.

const SMALLEST = 1 / 64, LARGEST = 64;

function fitted(picture, pane, ratio) {
  const scale = Math.min(pane.width / picture.width, pane.height / picture.height);
  // Enlarged by a whole number of screen pixels, so that picture pixels are equal squares.
  const whole = Math.max(Math.min(Math.floor(scale * ratio), 4), 1) / ratio;
  return { scale: scale * ratio < 1 ? scale : whole, x: picture.width / 2, y: picture.height / 2 };
}

function clamped(view, picture) {
  const within = (value, most) => Math.min(Math.max(value, 0), most);
  return { scale: view.scale, x: within(view.x, picture.width), y: within(view.y, picture.height) };
}

// `at` is relative to the middle of the pane: the picture point there stays where it is.
function zoomed(view, factor, at, picture, ratio) {
  let scale = Math.min(Math.max(view.scale * factor, SMALLEST), LARGEST);
  const real = 1 / ratio; // stop at 100% when passing
  if ((view.scale < real && scale > real) || (view.scale > real && scale < real)) scale = real;
  const shift = 1 / view.scale - 1 / scale;
  return clamped({ scale: scale, x: view.x + at.x * shift, y: view.y + at.y * shift }, picture);
}

function moved(view, by, picture) {
  return clamped({ scale: view.scale, x: view.x - by.x / view.scale, y: view.y - by.y / view.scale }, picture);
}

function lookingAt(box, pane, ratio) {
  const scale = Math.min(pane.width / box.width, pane.height / box.height) * 0.9;
  const whole = scale * ratio >= 1 ? Math.min(Math.floor(scale * ratio), LARGEST) / ratio : scale;
  return { scale: whole, x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

// The corner of the picture in the pane, on a whole screen pixel.
function cornerOf(view, pane, ratio) {
  const whole = (value) => Math.round(value * ratio) / ratio;
  return { x: whole(pane.width / 2 - view.x * view.scale), y: whole(pane.height / 2 - view.y * view.scale) };
}
