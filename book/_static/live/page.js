// The page "Your own photograph": loads a network, takes photographs, and shows maps for what the reader sets.
(globalThis.GamLive ??= {parts: []}).parts.push(function page(live) {
  'use strict';
  if (typeof document === 'undefined') return;  // in the worker
  const ready = new Set();  // networks that the engine has
  let place, root, book, engine, state, current;  // current: the network that the engine looks with
  let photographs = [null, null], shown = [], busy = Promise.resolve(), waiting = false;

  const find = (selector) => place.querySelector(selector);
  const say = (text) => { find('[role=status]').textContent = text; };
  const categories = () => live.networks[current].categories;

  /** One thing after the other; what goes wrong is said. */
  const queue = (work) => (busy = busy.then(work).catch((error) => say(error.message)));

  async function loadNetwork(name) {
    if (!ready.has(name)) {
      const {meta, bytes} = await live.fetched(root, name, say);
      await engine.ask('load', {meta, bytes}, [bytes]);
      ready.add(name);
    }
    await engine.ask('choose', {name});
    current = name;
    for (const side of [0, 1]) if (photographs[side]) await look(side);
  }

  /** Called by the button: everything that the page needs. */
  live.start = async (element, folder) => {
    [place, root] = [element, folder];
    if (!live.given) await live.script(`${root}book.js`);
    book = live.given;
    engine ??= await live.startEngine();
    state = live.readAddress(location.hash, book.networks);
    await loadNetwork(state.network);
    const box = document.createElement('div');
    box.innerHTML = live.controls({networks: book.networks, examples: Object.keys(book.examples)});
    find('button').replaceWith(box);
    place.classList.add('ready');
    wire();
    fill();
    await show();
  };

  function wire() {
    place.ondragover = place.ondrop = (event) => event.preventDefault();  // beside the two places: the page stays
    for (const slot of place.querySelectorAll('.slot')) {
      const side = +slot.dataset.side, input = slot.querySelector('input');
      input.onchange = () => {
        const [file] = input.files;
        input.value = '';
        if (file) queue(() => take(side, file, file.name));
      };
      slot.ondragover = () => slot.classList.add('over');
      slot.ondragleave = () => slot.classList.remove('over');
      slot.ondrop = (event) => {
        slot.classList.remove('over');
        const [file] = event.dataTransfer.files;
        queue(() => (file ? take(side, file, file.name) : say('That was no file. Drop a photograph from a folder.')));
      };
      for (const button of slot.querySelectorAll('button')) {
        const name = button.textContent;
        button.onclick = () => queue(() => take(side, new Blob([live.binary(book.examples[name])], {type: 'image/jpeg'}), name));
      }
    }
    for (const part of place.querySelectorAll('.bar, .switches')) part.oninput = read;
    find('[name=save]').onclick = () => queue(save);
    window.addEventListener('hashchange', () => {
      if (!location.hash.includes('=')) return;
      const before = state.network;
      state = live.readAddress(location.hash, book.networks);
      fill();
      if (state.network !== before) queue(() => change(before)); else refresh();
    });
  }

  /** The controls from the state. */
  function fill() {
    for (const name of ['network', 'view', 'n', 'threshold']) find(`.bar [name=${name}]`).value = state[name];
    for (const name of Object.keys(live.SWITCHES)) find(`.switches [name=${name}]`).checked = Boolean(state.switches[name]);
    echo();
    live.offerScores(find('[name=score]'), state, photographs, categories());
  }

  function echo() {
    find('[data-of=n]').textContent = state.n;
    find('[data-of=threshold]').textContent = state.threshold.toFixed(2);
    find('.switches').hidden = state.view !== 'switches';
    const named = live.nameOf(state.switches);
    const where = state.switches.before ? ', read before the layer’s own ReLU' : '';
    find('.named').textContent = named ? `These settings are ${named}${where}.` : 'These settings have no name.';
  }

  /** The state from the controls. */
  function read() {
    const value = (name) => find(`.bar [name=${name}]`).value, [score, target] = value('score').split('-'), before = state.network;
    if (target && +target !== state.target) state.linked = false;
    if (score) Object.assign(state, {score, target: target === undefined ? null : +target});
    Object.assign(state, {network: value('network'), view: value('view'), n: +value('n'), threshold: +value('threshold')});
    for (const name of Object.keys(live.SWITCHES)) state.switches[name] = find(`.switches [name=${name}]`).checked;
    echo();
    live.writeAddress(state);
    if (state.network !== before) queue(() => change(before)); else refresh();
  }

  /** Another network; where it cannot be loaded, the one before stays. */
  async function change(before) {
    try {
      await loadNetwork(state.network);
    } catch (error) {
      state.network = before;
      fill();
      throw error;
    }
    await show();
  }

  async function take(side, file, name) {
    say(`Reading ${name} …`);
    const {data, width, height} = await live.decode(file, name);
    await engine.ask('take', {side, image: {data, width, height}}, [data.buffer]);
    photographs[side] = {name, width, height};
    find(`[data-side="${side}"] .name`).textContent = name;
    await look(side);
    await show();
  }

  async function look(side) {
    say(`${current} looks at ${photographs[side].name} …`);
    Object.assign(photographs[side], await engine.ask('look', {side}));
    shown = [];
  }

  /** Show once more when what is asked before is done; several changes meanwhile are one. */
  function refresh() {
    if (!waiting) queue(() => { waiting = false; return show(); });
    waiting = true;
  }

  async function show() {
    if (!photographs.some(Boolean)) {
      return say('The network is here. Choose a photograph, or start from one of the examples.');
    }
    const {score, target} = live.offerScores(find('[name=score]'), state, photographs, categories());
    const what = score === 'class' ? `class ${categories()[target]}` : live.PAIRS[score], {n, threshold} = state;
    if (score !== 'class' && !photographs.every(Boolean)) return say(`The ${what} wants two photographs: choose A and B.`);
    const size = live.networks[current].side, rows = [], spent = {forward: 0, backward: 0, maps: 0}, lost = new Set();
    for (const [side, photograph] of photographs.entries()) {
      if (!photograph) continue;
      say(`Computing the maps of ${photograph.name} …`);
      const titles = live.columns(state, book.titles), asked = {side, score, target, columns: titles.map(([, column]) => column), n, threshold};
      const {s, drawn, backward} = await engine.ask('explain', asked);
      const figures = [{canvas: live.panel(photograph.bytes, size, null, book), caption: `photograph ${'AB'[side]}`}];
      for (const [i, [caption]] of titles.entries()) {
        figures.push({canvas: live.panel(photograph.bytes, size, drawn[i], book), caption, shown: drawn[i]});
        if (!drawn[i].finite) {
          lost.add(`${caption} is not finite: it takes the exponential of the score, ${s.toFixed(1)}, in 32 bits, ` +
            'and what it multiplies with it overflows.');
        }
      }
      const value = s.toFixed(score === 'cosine' ? 3 : 2);
      rows.push({title: `${'AB'[side]}: ${photograph.name}; ${what}: ${value}`, figures, drawn, s});
      spent.forward += photograph.forward;
      spent.backward += backward;
      spent.maps += drawn.reduce((sum, {ms}) => sum + ms, 0);
    }
    shown = rows;
    find('.maps').replaceChildren(...rows.map(({title, figures}) => {
      const section = document.createElement('section'), heading = document.createElement('p');
      heading.textContent = title;
      section.className = `view-${state.view}`;
      section.append(heading, ...figures.map((one) => live.figure(one.canvas, one.caption, one.shown)));
      return section;
    }));
    find('[name=save]').disabled = false;
    const times = Object.entries(spent).map(([part, ms]) => `${part} ${ms.toFixed(0)} ms`).join(', ');
    say([`n = ${n}, box around the largest region at or above ${threshold.toFixed(2)}. Computed here: ${times}.`, ...lost].join(' '));
  }

  async function save() {
    if (!shown.length) return;
    const on = Object.keys(live.SWITCHES).filter((name) => state.switches[name]).map((name) => live.SWITCHES[name]);
    const own = state.view === 'switches' ? `; your switches: ${on.join(', ') || 'none'}` : '';
    const heading = `${current}, n = ${state.n}, threshold ${state.threshold.toFixed(2)}${own}`;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await live.poster(heading, shown));
    link.download = 'gam.png';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  // for tests: what is shown, once all is done that was asked for
  live.report = async () => {
    for (let last; last !== busy;) { last = busy; await last; }
    return {beside: engine.beside, photographs, rows: shown, said: find('[role=status]').textContent};
  };
});
