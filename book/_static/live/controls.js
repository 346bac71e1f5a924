// What the reader can set, and the address bar, which keeps it without the photographs: #score=dot&n=2.
(globalThis.GamLive ??= {parts: []}).parts.push(function controls(live) {
  'use strict';

  // name of a switch -> what it says
  live.SWITCHES = {
    pool: 'average G over the pixels', reluG: 'ReLU on G', reluA: 'ReLU on A', reluSum: 'ReLU on the sum',
    before: 'read A and G before the layer’s own ReLU',
  };
  live.PAIRS = {cosine: 'cosine similarity', dot: 'dot product'};
  const VIEWS = {methods: 'the methods', table: 'table of 2 × 2', switches: 'your own switches'};
  const START = {
    network: null, score: 'class', target: null, view: 'methods', n: 2, threshold: 0.3, switches: {reluG: true, reluA: true},
  };

  const options = (entries) => entries.map(([value, text]) => `<option value="${value}">${text}</option>`).join('');

  const slot = (letter, side, examples) => `
    <div class="slot" data-side="${side}">
      <label class="choose">Photograph ${letter} …<input type="file" accept="image/*"></label>
      <p class="examples">drop one here, or take ${examples.map((name) =>
        `<button type="button" aria-label="${name} as photograph ${letter}">${name}</button>`).join(' ')}</p>
      <p class="name"></p>
    </div>`;

  live.controls = ({networks, examples}) => `
    <div class="slots">${slot('A', 0, examples)}${slot('B', 1, examples)}</div>
    <div class="bar">
      <label>Network <select name="network">${options(networks.map((name) => [name, name]))}</select></label>
      <label>Score <select name="score"></select></label>
      <label>View <select name="view">${options(Object.entries(VIEWS))}</select></label>
      <label>Layers n: <span data-of="n"></span><input name="n" type="range" min="1" max="4" step="1"></label>
      <label>Threshold of the box: <span data-of="threshold"></span>
        <input name="threshold" type="range" min="0.05" max="0.95" step="0.05"></label>
    </div>
    <fieldset class="switches" hidden><legend>Your method: A ∘ G, summed over the channels, with</legend>
      ${Object.entries(live.SWITCHES).map(([name, text]) =>
        `<label><input type="checkbox" name="${name}"> ${text}</label>`).join('')}
      <p class="named"></p>
    </fieldset>
    <p class="save"><button type="button" name="save" disabled>Save what is seen as PNG</button></p>`;

  /** Settings from the address, each checked; what is not there or not right is as at the start. */
  live.readAddress = (hash, networks) => {
    const given = new URLSearchParams(hash.slice(1)), state = structuredClone(START);
    const [, score, target] = /^(cosine|dot|class)(?:-(\d{1,3}))?$/.exec(given.get('score') ?? '') ?? [, 'class'];
    Object.assign(state, {score, target: target && score === 'class' ? +target : null, linked: Boolean(target)});
    if (given.get('view') in VIEWS) state.view = given.get('view');
    if (/^[1-4]$/.test(given.get('n') ?? '')) state.n = +given.get('n');
    const threshold = +given.get('threshold');
    if (threshold >= 0.05 && threshold <= 0.95) state.threshold = Math.round(20 * threshold) / 20;
    if (given.has('switches')) {
      const on = given.get('switches').split(',').filter((name) => name in live.SWITCHES);
      state.switches = Object.fromEntries(on.map((name) => [name, true]));
    }
    state.network = networks.includes(given.get('network')) ? given.get('network') : networks[0];
    return state;
  };

  live.writeAddress = ({network, score, target, view, n, threshold, switches}) => {
    const chosen = target === null ? score : `class-${target}`;
    const parts = {network, score: chosen, view, n, threshold: threshold.toFixed(2)};
    if (view === 'switches') parts.switches = Object.keys(live.SWITCHES).filter((name) => switches[name]).join(',');
    history.replaceState(null, '', `#${Object.entries(parts).map((pair) => pair.join('=')).join('&')}`);
  };

  /** The method that these switches make, if it has a name. */
  live.nameOf = (switches) => {
    const on = Object.keys(live.SWITCHES).filter((name) => switches[name] && name !== 'before').join();
    const known = {'reluG,reluA': 'GAM (Eq. 1)', 'pool,reluSum': 'Grad-CAM (Eq. 3)', 'reluG,reluSum': 'LayerCAM', 'reluSum': 'HiResCAM'};
    // a sum of what is not negative is not negative
    return known[on] ?? (on === 'reluG,reluA,reluSum' ? 'GAM (Eq. 1); the last ReLU changes nothing' : null);
  };

  /** What the view shows beside the photograph: [caption, {name} or {switches}]. */
  live.columns = ({view, switches}, titles) => {
    if (view === 'methods') return Object.keys(live.METHODS).map((name) => [titles[name], {name}]);
    if (view === 'table') return Object.entries(live.TABLE).map(([title, own]) => [title, {switches: own}]);
    return [['your switches', {switches: {...switches}}], ...['gam', 'grad_cam'].map((name) => [titles[name], {name}])];
  };

  /** Fill the list of scores from the best classes of the photographs; the chosen one. */
  live.offerScores = (list, state, photographs, categories) => {
    const pair = photographs.every(Boolean), option = (text, value, disabled) => Object.assign(new Option(text, value), {disabled});
    if (!photographs.some(Boolean)) {
      list.replaceChildren(option('choose a photograph first', '', true));
      list.selectedIndex = 0;
      return null;
    }
    const groups = [['A and B', Object.entries(live.PAIRS).map(([name, text]) =>
      option(text + (pair ? '' : ' (choose A and B)'), name, !pair))]];
    photographs.forEach((one, side) => one && groups.push([`classes of ${'AB'[side]}`, one.best.map(({target, logit}) =>
      option(`${categories[target]}, ${logit.toFixed(1)}`, `class-${target}`))]));
    const offered = photographs.flatMap((one) => one?.best ?? []);
    if (state.target !== null && !offered.some(({target}) => target === state.target)) {
      if (state.linked) groups.push(['from the address', [option(categories[state.target], `class-${state.target}`)]]);
      else state.target = null;
    }
    list.replaceChildren(...groups.map(([label, options]) => {
      const group = document.createElement('optgroup');
      group.label = label;
      group.append(...options);
      return group;
    }));
    const best = offered[0]?.target;
    list.value = state.score === 'class' ? `class-${state.target ?? best}` : state.score;
    return {score: state.score, target: state.score === 'class' ? state.target ?? best : null};
  };
});
