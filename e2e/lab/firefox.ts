/** What makes Firefox fit for pages without TLS, a fake camera and a network of private addresses. */
export const firefoxPreferences = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'media.devices.insecure.enabled': true,
  'media.getusermedia.insecure.enabled': true,
  // It asks the internet nothing on its own account: there is none behind the laboratory's.
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};
