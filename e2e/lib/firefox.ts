import { type Browser, launch, type Page } from 'puppeteer-core';
import { spy } from './probe';

/** Debian's Firefox over WebDriver BiDi, at a program that may be a wrapper. */
export function firefox(program: string): Promise<Browser> {
  return launch({
    browser: 'firefox',
    executablePath: program,
    headless: true,
    extraPrefsFirefox: {
      'media.navigator.streams.fake': true,
      'media.navigator.permission.disabled': true,
      'media.autoplay.default': 0,
      'media.peerconnection.ice.obfuscate_host_addresses': false,
      'media.peerconnection.ice.loopback': true,
      'media.devices.insecure.enabled': true,
      'media.getusermedia.insecure.enabled': true,
    },
  });
}

/** A page whose peer connections can be asked for their statistics. */
export async function pageOf(browser: Browser): Promise<Page> {
  const page = await browser.newPage();
  await page.evaluateOnNewDocument(spy);
  return page;
}
