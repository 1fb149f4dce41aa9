import { type Browser, launch, type Page } from 'puppeteer-core';
import { spy } from './probe';

/** Where Debian has it. */
export const firefoxProgram = process.env['FIREFOX'] ?? '/usr/bin/firefox-esr';

/** What makes Firefox fit for pages without TLS, a fake camera and a network of private addresses. */
export const firefoxPreferences = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'media.devices.insecure.enabled': true,
  'media.getusermedia.insecure.enabled': true,
};

/** Debian's Firefox over WebDriver BiDi, at a program that may be a wrapper. */
export function firefox(program: string): Promise<Browser> {
  return launch({
    browser: 'firefox',
    executablePath: program,
    headless: true,
    extraPrefsFirefox: { ...firefoxPreferences, 'media.peerconnection.ice.loopback': true },
  });
}

/** A page whose peer connections can be asked for their statistics. */
export async function pageOf(browser: Browser): Promise<Page> {
  const page = await browser.newPage();
  await page.evaluateOnNewDocument(spy);
  return page;
}
