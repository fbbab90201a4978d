// The name and version that the audit log and the operator see. A test holds it to package.json.

export const VERSION = '0.1.0';
export const SOFTWARE = `incident-recorder ${VERSION}`;
