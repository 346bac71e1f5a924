// What the build wrote, as scripts: a page that was opened as a file may load nothing else.
(globalThis.GamLive ??= {parts: []}).parts.push(function loading(live) {
  'use strict';
  const weights = {};
  live.networks = {};  // name -> what book/gambook/publish/export.py says of it
  live.given = null;  // titles, colours, examples
  // these the scripts call
  live.network = (meta) => { live.networks[meta.name] = meta; };
  live.weights = (name, part, text) => { (weights[name] ??= [])[part] = live.binary(text); };
  live.book = (given) => { live.given = given; };

  live.binary = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

  live.script = (address) => new Promise((resolve, reject) => {
    const tag = document.createElement('script');
    tag.src = address;
    tag.onload = () => { tag.remove(); resolve(); };
    tag.onerror = () => reject(new Error(`${address.split('/').at(-1)} could not be loaded. Is there a connection? Try once more.`));
    document.head.append(tag);
  });

  /** A network by name: what it is, and its weights as bytes; `say` is told how far it is. */
  live.fetched = async (folder, name, say) => {
    if (!live.networks[name]) await live.script(`${folder}${name}.js`);
    const meta = live.networks[name], megabytes = (meta.bytes / 1e6).toFixed(1);
    for (let part = 0; part < meta.parts; part++) {
      say(`Loading ${name}: part ${part + 1} of ${meta.parts}, ${megabytes} MB in all …`);
      if (!weights[name]?.[part]) await live.script(`${folder}${name}-${part}.js`);
    }
    const bytes = await new Blob(weights[name]).arrayBuffer();
    delete weights[name];
    return {meta, bytes};
  };
});
