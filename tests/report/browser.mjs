// Opens pages in headless Chromium through the DevTools protocol, spoken over a pair of pipes.
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const kPatience = 60000;  // milliseconds that an answer may take

export class Browser {
  static async start(program) {
    const browser = new Browser();
    browser.profile = mkdtempSync(join(tmpdir(), 'marvin-browser-'));
    browser.process = spawn(
        program,
        [
          '--headless=new',
          '--no-sandbox',
          '--disable-gpu',
          '--disable-dev-shm-usage',
          '--no-first-run',
          '--disable-extensions',
          '--disable-background-networking',
          '--hide-scrollbars',
          '--remote-debugging-pipe',
          `--user-data-dir=${browser.profile}`,
          'about:blank',
        ],
        {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']});
    browser.waiting = new Map();
    browser.listeners = [];
    browser.ended = new Promise((resolve) => browser.process.on('exit', resolve));
    let pending = '';
    browser.process.stdio[4].setEncoding('utf8').on('data', (text) => {
      const messages = (pending + text).split('\0');
      pending = messages.pop();
      for (const message of messages) browser.receive(JSON.parse(message));
    });
    return browser;
  }

  receive(message) {
    if (message.id === undefined) return this.listeners.forEach((listener) => listener(message));
    const {resolve, reject} = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.error)
      reject(new Error(message.error.message));
    else
      resolve(message.result);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.last = (this.last ?? 0) + 1;
    const answer = new Promise((resolve, reject) => this.waiting.set(id, {resolve, reject}));
    this.process.stdio[3].write(JSON.stringify({id, method, params, sessionId}) + '\0');
    const late =
        new Promise((_, reject) => setTimeout(() => reject(new Error(`${method}: no answer`)), kPatience).unref());
    return Promise.race([answer, late]);
  }

  // A page that is loaded, and what it complained about and asked the network for while it was.
  async open(url, {width = 1366, height = 900, dark = false} = {}) {
    const {targetId} = await this.send('Target.createTarget', {url: 'about:blank'});
    const {sessionId} = await this.send('Target.attachToTarget', {targetId, flatten: true});
    const page = new Page(this, sessionId);
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await page.send(`${domain}.enable`);
    await page.send('Emulation.setDeviceMetricsOverride', {width, height, deviceScaleFactor: 1, mobile: false});
    await page.send(
        'Emulation.setEmulatedMedia', {features: [{name: 'prefers-color-scheme', value: dark ? 'dark' : 'light'}]});
    const loaded = new Promise((resolve) => {
      page.loaded = resolve;
    });
    await page.send('Page.navigate', {url});
    await loaded;
    return page;
  }

  async close() {
    await this.send('Browser.close').catch(() => this.process.kill('SIGKILL'));
    await this.ended;
    rmSync(this.profile, {recursive: true, force: true, maxRetries: 5});
  }
}

class Page {
  constructor(browser, session) {
    this.browser = browser;
    this.session = session;
    this.complaints = [];
    this.requests = [];
    browser.listeners.push((message) => message.sessionId === session && this.hear(message));
  }

  hear({method, params}) {
    const text = (args) => args.map((arg) => arg.value ?? arg.description ?? '').join(' ');
    if (method === 'Page.loadEventFired') this.loaded();
    if (method === 'Runtime.exceptionThrown')
      this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(params.type))
      this.complaints.push(text(params.args));
    if (method === 'Log.entryAdded' && ['error', 'warning'].includes(params.entry.level))
      this.complaints.push(params.entry.text);
    if (method === 'Network.requestWillBeSent' && !/^data:/.test(params.request.url))
      this.requests.push(params.request.url);
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  // The value of an expression in the page.
  async evaluate(expression) {
    const {result, exceptionDetails} =
        await this.send('Runtime.evaluate', {expression, returnByValue: true, awaitPromise: true});
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  mouse(type, x, y, more = {}) {
    return this.send('Input.dispatchMouseEvent', {type, x, y, ...more});
  }

  // A PNG of what is to be seen, or of all of the page.
  async screenshot(file, whole = false) {
    const {cssContentSize} = await this.send('Page.getLayoutMetrics');
    const clip = whole ? {x: 0, y: 0, width: cssContentSize.width, height: cssContentSize.height, scale: 1} : undefined;
    const {data} = await this.send('Page.captureScreenshot', {format: 'png', clip, captureBeyondViewport: whole});
    writeFileSync(file, Buffer.from(data, 'base64'));
  }
}
