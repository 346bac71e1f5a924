// What computes: the engine, beside the page in a worker where the browser lets a page have one, else in the page.
//
// A page that was opened as a file may load no worker from a file. It may start one from a Blob, into which the sources
// of these scripts are written; that works on a server as well, so there is one way for both.
(globalThis.GamLive ??= {parts: []}).parts.push(function worker(live) {
  'use strict';

  /** Networks by name, photographs A and B, and what was computed of them. */
  live.Engine = class {
    constructor(pause) {
      Object.assign(this, {pause, networks: {}, photographs: [null, null], name: null});
    }

    /** A network of what the build wrote and its weights as bytes. */
    async load({meta, bytes}) {
      const numbers = meta.precision === 'float16' ? live.fromHalf(new Uint16Array(bytes)) : new Float32Array(bytes);
      const network = (this.networks[meta.name] = new live.Network(meta, numbers));
      // a browser compiles what has run: the first photograph need not wait for it
      const made = await network.forward(new Float32Array(meta.side ** 2 * 3), this.pause);
      const layers = await network.backward(made, made.h, 2, this.pause);
      for (const formula of Object.values(live.METHODS)) live.largestBox(live.saliency(layers, formula, 0, meta.side), 0.3, meta.side);
    }

    /** From now on this network looks. */
    choose({name}) {
      this.name = name;
      for (const photograph of this.photographs) if (photograph) photograph.seen = null;
    }

    /** A photograph (RGBA, width, height) as A (side 0) or B (side 1). */
    take({side, image}) {
      this.photographs[side] = {image, seen: null};
      for (const photograph of this.photographs) photograph?.seen?.traces.clear();  // the other's embedding is another now
    }

    /** What the network sees and says: its input as bytes, the five best classes with their logits, milliseconds. */
    async look({side}) {
      const {bytes, logits, forward} = await this.seen(side);
      const best = [...logits.keys()].sort((a, b) => logits[b] - logits[a]).slice(0, 5);
      return {bytes, forward, best: best.map((target) => ({target, logit: logits[target]}))};
    }

    async seen(side) {
      const photograph = this.photographs[side], network = this.networks[this.name], {meta} = network;
      if (!photograph.seen) {
        const start = performance.now(), bytes = live.squeeze(photograph.image, meta.side, meta.filter), resized = performance.now();
        const made = await network.forward(live.normalise(bytes, meta), this.pause);
        photograph.seen = {...made, bytes, resize: resized - start, forward: performance.now() - resized, traces: new Map()};
      }
      return photograph.seen;
    }

    /** Maps of one photograph: score, columns [{name} or {switches}], n, threshold -> the score's value, maps, boxes. */
    async explain({side, score, target, columns, n, threshold}) {
      const {s, layers, maps, backward} = await this.trace(side, score, target, n), {side: size} = this.networks[this.name].meta;
      const drawn = [];
      for (const column of columns) {
        const key = JSON.stringify([column, n]), formula = column.name ? live.METHODS[column.name] : live.switched(column.switches);
        if (!maps.has(key)) {
          const start = performance.now(), map = live.saliency(layers.slice(0, n), formula, s, size);
          maps.set(key, {map, ms: performance.now() - start, finite: Number.isFinite(map[0])});
          await this.pause();
        }
        const made = maps.get(key);
        drawn.push({...made, box: made.finite ? live.largestBox(made.map, threshold, size) : null});
      }
      return {s, drawn, backward};
    }

    /** Layers with activations and gradients; a backward runs when the score or a deeper layer is new. */
    async trace(side, score, target, n) {
      const own = await this.seen(side), other = this.photographs[1 - side] && (await this.seen(1 - side));
      const network = this.networks[this.name], key = `${score} ${target}`, deep = Math.max(n, 2);
      if (!(own.traces.get(key)?.layers.length >= deep)) {
        const start = performance.now(), {s, v} = live.SCORES[score](own.h, other?.h, network.head, target);
        const layers = await network.backward(own, v, deep, this.pause);
        own.traces.set(key, {s, layers, maps: new Map(), backward: performance.now() - start});
      }
      return own.traces.get(key);
    }
  };

  /** In the worker: do what messages ask for, one after the other. */
  live.serve = (port) => {
    const engine = new live.Engine(async () => {});
    let last = Promise.resolve();
    port.onmessage = ({data: {id, task, given}}) => {
      last = last.then(() => engine[task](given)).then(
        (answer) => port.postMessage({id, answer}),
        (error) => port.postMessage({id, error: error.message}),
      );
    };
    port.postMessage({id: 'ready'});
  };

  /** In the page: ask(task, given) -> a promise of the answer. */
  live.startEngine = async () => {
    const waiting = new Map();
    let beside;
    try {
      const source = [`'use strict'; self.GamLive = {};`, ...live.parts.map((part) => `(${part})(GamLive);`), 'GamLive.serve(self);'];
      const address = URL.createObjectURL(new Blob(source, {type: 'text/javascript'}));
      beside = new Worker(address);
      await new Promise((resolve, reject) => {
        waiting.set('ready', {resolve, reject});
        beside.onerror = reject;
        beside.onmessage = ({data: {id, answer, error}}) => {
          const {resolve: done, reject: failed} = waiting.get(id);
          waiting.delete(id);
          if (error === undefined) done(answer); else failed(new Error(error));
        };
      });
      URL.revokeObjectURL(address);
    } catch {
      const engine = new live.Engine(() => new Promise((done) => setTimeout(done)));
      return {beside: false, ask: async (task, given) => engine[task](given)};
    }
    let count = 0;
    const ask = (task, given, moved = []) => new Promise((resolve, reject) => {
      waiting.set(++count, {resolve, reject});
      beside.postMessage({id: count, task, given}, moved);
    });
    return {beside: true, ask};
  };
});
