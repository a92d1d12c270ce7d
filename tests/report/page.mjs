// Opens reports as a person would and checks that they draw, answer to the mouse, complain about nothing and ask
// nobody: page.mjs MARVIN RUNS SCREENSHOTS, where RUNS holds the runs of page.sh.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

import {Browser} from './browser.mjs';

const [marvin, runs, screenshots] = process.argv.slice(2);

// In the page: how many colours every chart's canvases show, and what its axes say.
const charts = `[...document.querySelectorAll('.chart')].map((chart) => {
  const colors = new Set();
  for (const canvas of chart.querySelectorAll('canvas')) {
    if (canvas.width * canvas.height === 0) continue;
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);
    const {data} = copy.getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 0) colors.add(data.slice(i, i + 4).join());
  }
  const card = chart.closest('.card');
  const widths = [...chart.querySelectorAll('canvas')].map((canvas) => canvas.getBoundingClientRect().width);
  return {title: card.querySelector('h3').textContent, colors: colors.size, labels: chart.innerText.split('\\n'),
          fits: Math.abs(Math.max(...widths) - chart.clientWidth) < 1.5};
})`;

// Sizes have settled, and what follows from them is drawn.
const frames = `new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))`;

const middleOf = (chart) => `(() => {
  const chart = document.querySelectorAll('.chart')[${chart}];
  chart.scrollIntoView({block: 'center', behavior: 'instant'});
  const {left, top, width, height} = chart.getBoundingClientRect();
  return {left, top, width, height, x: left + width / 2, y: top + height / 2};
})()`;

function assertQuiet(page, url) {
  assert.deepEqual(page.complaints, []);
  assert.deepEqual(page.requests, [url]);
}

async function assertDrawn(page, atLeast) {
  await page.evaluate(frames);
  const drawn = await page.evaluate(charts);
  assert.ok(drawn.length >= atLeast, `${drawn.length} charts`);
  for (const {title, colors, labels, fits} of drawn) {
    assert.ok(fits, `${title} is not as wide as its card`);
    assert.ok(colors >= 3, `${title} is blank`);
    assert.ok(labels.length >= 3, `${title} has no axes`);
  }
  return drawn;
}

// Every button of every choice, pressed; after each the charts are there.
async function pressEverything(page) {
  const count = await page.evaluate(`document.querySelectorAll('.choice button').length`);
  for (let i = 0; i < count; ++i) {
    await page.evaluate(`document.querySelectorAll('.choice button')[${i}]?.click()`);
    await assertDrawn(page, 4);
  }
  return count;
}

async function hover(page, chart, across = 0.5) {
  const at = await page.evaluate(middleOf(chart)), x = at.left + across * at.width;
  await page.mouse('mouseMoved', x - 20, at.y);
  await page.mouse('mouseMoved', x, at.y);
  const tip =
      await page.evaluate(`document.getElementById('tip').hidden ? '' : document.getElementById('tip').innerText`);
  await page.mouse('mouseMoved', 2, 2);
  return tip;
}

async function checkRun(browser) {
  const url = pathToFileURL(join(runs, 'adaptive/report.html')).href;
  const page = await browser.open(url);
  const drawn = await assertDrawn(page, 14);
  const titles = drawn.map(({title}) => title);
  for (const title
           of ['Loss', 'Accuracy of evaluations', 'Learning rate', 'Weights: word length', 'Gradients: word length',
               'Activations: divergence'])
    assert.ok(titles.includes(title), `there is no chart '${title}'`);
  const map = titles.indexOf('Weights: word length');
  for (const layer of ['conv1', 'fc3']) assert.ok(drawn[map].labels.includes(layer), `the map does not name ${layer}`);
  assert.ok(await page.evaluate(`document.querySelector('#graph svg g.node') !== null`), 'the graph is not drawn');
  const text = await page.evaluate(`document.body.innerText`);
  for (const word
           of ['ConvWeightGrad', 'at most 8 bits', 'momentum', 'Formats at the end', 'peak of the process',
               'Cost beside float32', 'training speed-up', 'batch size 32'])
    assert.ok(text.includes(word), `the page does not say '${word}'`);
  assert.doesNotMatch(await page.evaluate(`document.getElementById('models').innerText`), /_/, 'a key has no name');
  assert.ok(Number(/What (\d+) steps showed/.exec(text)[1]) >= 50, 'few steps were observed');

  assert.match(await hover(page, 0), /step \d+\nsmoothed|step \d+\neach step/);
  assert.match(await hover(page, map), /conv|fc/);

  const before = await page.evaluate(charts);
  const at = await page.evaluate(middleOf(0));
  await page.mouse('mousePressed', at.x - 40, at.y, {button: 'left', buttons: 1, clickCount: 1});
  for (const dx of [0, 60]) await page.mouse('mouseMoved', at.x + dx, at.y, {button: 'left', buttons: 1});
  await page.mouse('mouseReleased', at.x + 60, at.y, {button: 'left', clickCount: 1});
  const after = await page.evaluate(charts);
  for (const chart of [0, 2, map])
    assert.notDeepEqual(after[chart].labels, before[chart].labels, `${titles[chart]} does not follow the zoom`);

  assert.ok(await pressEverything(page) >= 10);
  await page.evaluate(`document.querySelector('#contents button').click()`);
  await assertDrawn(page, 10);
  assertQuiet(page, url);
}

async function checkComparison(browser) {
  const url = pathToFileURL(join(runs, 'compared.html')).href;
  const page = await browser.open(url, {dark: true, width: 800});
  await assertDrawn(page, 12);
  assert.equal(await page.evaluate(`document.documentElement.dataset.scheme`), 'dark');
  assert.equal(await page.evaluate(`document.querySelectorAll('#summary thead th').length`), 4);
  const summary = await page.evaluate(`Object.fromEntries([...document.querySelectorAll('#summary tbody tr')].map(
      (row) => [row.cells[0].innerText, [...row.cells].slice(1).map((cell) => cell.innerText)]))`);
  const ms = summary['a step'].map(parseFloat), speedup = summary['measured speed-up, to float32'].map(parseFloat);
  for (const i of [0, 1, 2])
    assert.ok(Math.abs(speedup[i] - ms[1] / ms[i]) < 0.02, `${speedup[i]} is not the speed-up of ${ms[1]} to ${ms[i]}`);
  assert.deepEqual(summary['batch size'], ['32', '32', '32']);
  assert.deepEqual(summary.seed, ['0', '0', '0']);
  assert.match(summary.optimizer[0], /momentum 0.9/);
  const entries = `[...document.querySelector('#learning .legend').children]`;
  assert.deepEqual(await page.evaluate(`${entries}.map((entry) => entry.innerText)`), ['adaptive', 'float32', 'again']);
  assert.match(
      await page.evaluate(`document.querySelector('#learning .hint + .grid .hint').innerText`),
      /under a curve that is the same: adaptive/);
  await page.evaluate(`${entries}[1].click()`);
  assert.doesNotMatch(await hover(page, 0), /float32/, 'a legend entry does not hide all curves of its run');
  assert.ok(
      await page.evaluate(`document.querySelector('tr.differs').innerText.includes('adaptive')`),
      'precision is not marked');
  assert.ok(
      await page.evaluate(`document.documentElement.scrollWidth <= window.innerWidth`),
      'the page is wider than the window');
  await pressEverything(page);
  assertQuiet(page, url);
  await page.screenshot(join(screenshots, 'compared.png'), true);
}

// A run that broke off, of a model whose names are markup.
async function checkHostile(browser) {
  const directory = join(runs, 'hostile');
  const name = (i) => `</script><img src=x onerror="document.title='run'"><svg onload=alert(${i})>`;
  const slots = ['weight', 'activation'].flatMap(
      (role) => [...Array(40).keys()].map((i) => ({slot: `${name(i)} ${role}`, layer: name(i), role})));
  const lines = (objects) => objects.map((object) => JSON.stringify(object) + '\n').join('');
  const steps = [...Array(50).keys()], observed = steps.filter((i) => i < 14 || i > 34);
  mkdirSync(directory);
  writeFileSync(
      join(directory, 'run.json'), JSON.stringify({marvin: name(0), model: name(1), recipe: {[name(2)]: name(3)}}));
  writeFileSync(
      join(directory, 'metrics.jsonl'),
      lines(steps.map((i) => ({event: 'step', step: i + 1, loss: 1 / (i + 1), lr: 0.1, ms: 1}))));
  writeFileSync(
      join(directory, 'precision.jsonl'), lines(slots.flatMap((slot) => [0, 30].map((step) => ({
                                                                                      step,
                                                                                      ...slot,
                                                                                      from: {wl: 16, fl: 3},
                                                                                      to: {wl: 8 + step / 10, fl: 2},
                                                                                      reason: name(4),
                                                                                      divergence: 0,
                                                                                      diversity: 1,
                                                                                      saturated: 0,
                                                                                      underflowed: 0
                                                                                    })))));
  writeFileSync(
      join(directory, 'observations.jsonl'),
      lines([{slots}, ...observed.map((step) => ({step: step + 1, [name(5)]: slots.map((_, i) => i + step)}))]) +
          '{"st');
  execFileSync(marvin, ['report', directory, '--quiet']);
  const url = pathToFileURL(join(directory, 'report.html')).href;
  const page = await browser.open(url);
  const titles = (await assertDrawn(page, 8)).map(({title}) => title);
  assert.ok((await hover(page, 3)).includes('</script><img'), 'the tooltip does not name the layer');
  const map = titles.indexOf(`Weights: ${name(5)}`);
  assert.equal(await hover(page, map, 0.67), '', 'the map shows steps that nothing is known of');
  assert.match(await hover(page, map, 0.95), /step/);
  assert.equal(await page.evaluate(`document.querySelectorAll('img, [onload], [onerror]').length`), 0);
  assert.match(await page.evaluate(`document.body.innerText`), /was not written to its end/);
  await pressEverything(page);
  assertQuiet(page, url);
}

const browser = await Browser.start('chromium');
try {
  await checkRun(browser);
  await checkComparison(browser);
  await checkHostile(browser);
} finally {
  await browser.close();
}
