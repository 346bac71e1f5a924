// Pictures: a photograph, a map over its grey with a box, as gamlib/plots has them, and all that is seen as one PNG.
(globalThis.GamLive ??= {parts: []}).parts.push(function draw(live) {
  'use strict';

  /** A canvas of a photograph (bytes, size), or of a map {map, finite, box} over it. */
  live.panel = (bytes, size, shown, {colours, alpha, box: ink}) => {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = size;
    const pen = canvas.getContext('2d'), image = pen.createImageData(size, size), {data} = image;
    for (let p = 0; p < size * size; p++) {
      const [r, g, b] = [bytes[3 * p], bytes[3 * p + 1], bytes[3 * p + 2]], grey = 0.2126 * r + 0.7152 * g + 0.0722 * b;
      const colour = shown?.finite ? colours[Math.min(255, Math.floor(shown.map[p] * 256))] : null;
      for (let c = 0; c < 3; c++) data[4 * p + c] = shown ? colour ? (1 - alpha) * grey + alpha * colour[c] : 212 : [r, g, b][c];
      data[4 * p + 3] = 255;
    }
    pen.putImageData(image, 0, 0);
    if (shown && !shown.finite) {
      pen.strokeStyle = '#8a8a8a';
      for (let x = -size; x < size; x += 9) { pen.beginPath(); pen.moveTo(x, size); pen.lineTo(x + size, 0); pen.stroke(); }
      say(pen, size, 'not finite');
    } else if (shown && !shown.map.some(Boolean)) say(pen, size, 'empty: nothing positive');
    if (shown?.box) {
      const [x0, y0, x1, y1] = shown.box;
      for (const [width, style] of [[4, 'black'], [2, ink]]) {
        Object.assign(pen, {lineWidth: width, strokeStyle: style});
        pen.strokeRect(x0 + 1, y0 + 1, x1 - x0 - 2, y1 - y0 - 2);
      }
    }
    return canvas;
  };

  function say(pen, size, text) {
    Object.assign(pen, {font: '18px sans-serif', textAlign: 'center', textBaseline: 'middle', fillStyle: 'white'});
    const {width} = pen.measureText(text);
    pen.fillRect(size / 2 - width / 2 - 6, size / 2 - 14, width + 12, 28);
    pen.fillStyle = 'black';
    pen.fillText(text, size / 2, size / 2);
  }

  /** A canvas with its caption; what it shows is said for those who do not see it. */
  live.figure = (canvas, caption, shown) => {
    const figure = document.createElement('figure'), text = document.createElement('figcaption');
    const box = shown?.box ? `: box from ${shown.box.slice(0, 2)} to ${shown.box.slice(2)}` : ': no box';
    const found = !shown ? '' : shown.finite ? box : ': not finite';
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', caption + found);
    text.textContent = caption;
    figure.append(canvas, text);
    return figure;
  };

  /** Words in lines that fit. */
  function wrapped(pen, text, width) {
    return text.split(' ').reduce((lines, word) => {
      const longer = `${lines.at(-1)} ${word}`.trim();
      return pen.measureText(longer).width <= width || !lines.at(-1) ? [...lines.slice(0, -1), longer] : [...lines, word];
    }, ['']);
  }

  /** One PNG of rows [{title, figures: [{canvas, caption}]}] under a heading. */
  live.poster = async (heading, rows) => {
    const gap = 12, side = rows[0].figures[0].canvas.width, across = Math.max(...rows.map(({figures}) => figures.length));
    const canvas = document.createElement('canvas'), pen = canvas.getContext('2d'), font = '15px sans-serif', line = 19;
    canvas.width = Math.max(across * (side + gap) + gap, 700);
    pen.font = font;
    const top = wrapped(pen, heading, canvas.width - 2 * gap), tall = side + 3 * line + gap;
    canvas.height = gap + top.length * line + gap + rows.length * (line + tall);
    Object.assign(pen, {fillStyle: 'white'});
    pen.fillRect(0, 0, canvas.width, canvas.height);
    Object.assign(pen, {font, fillStyle: 'black', textBaseline: 'top'});
    top.forEach((text, i) => pen.fillText(text, gap, gap + i * line));
    rows.forEach(({title, figures}, r) => {
      const y = 2 * gap + top.length * line + r * (line + tall);
      pen.fillText(title, gap, y);
      figures.forEach((figure, i) => {
        const x = gap + i * (side + gap);
        pen.drawImage(figure.canvas, x, y + line + 4);
        wrapped(pen, figure.caption, side).slice(0, 3).forEach((text, k) => pen.fillText(text, x, y + line + 8 + side + k * line));
      });
    });
    return new Promise((done) => canvas.toBlob(done, 'image/png'));
  };
});
