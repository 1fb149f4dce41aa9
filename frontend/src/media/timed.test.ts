import { expect, test } from 'vitest';
import type { DataMessage } from '../client/wire';
import { TimedMessages } from './timed';

function timed(): { t: TimedMessages; told: string[] } {
  const t = new TimedMessages();
  const told: string[] = [];
  t.onmessage = (m) => told.push(m.name);
  return { t, told };
}

function message(name: string, time: number, rtp?: number): DataMessage {
  return { type: 'data', stream: 'a', name, time, value: [], ...(rtp === undefined ? {} : { rtp }) };
}

test('a message comes with its picture, not before', () => {
  const { t, told } = timed();
  t.frame(1000);
  t.add(message('late', 0, 4000));
  t.add(message('there', 0, 900));
  expect(told).toEqual(['there']);
  t.frame(3999);
  expect(told).toEqual(['there']);
  t.frame(4000);
  expect(told).toEqual(['there', 'late']);
});

test('timestamps wrap', () => {
  const { t, told } = timed();
  t.frame(0xffffff00);
  t.add(message('next', 0, 200));
  expect(told).toEqual([]);
  t.frame(200);
  expect(told).toEqual(['next']);
});

test('without pictures the clock counts', () => {
  const { t, told } = timed();
  t.add(message('sound', 5000));
  t.add(message('picture', 5000, 77));
  t.moment(4999);
  expect(told).toEqual([]);
  t.moment(5000);
  expect(told).toEqual(['sound', 'picture']);
});

test('while pictures are shown the clock only helps when they stop, or are numbered differently', () => {
  const { t, told } = timed();
  t.frame(100);
  t.add(message('m', 5000, 90_000));
  t.add(message('foreign', 5000, 100 - 31 * 90_000));
  t.moment(5400);
  expect(told).toEqual([]);
  t.moment(5500);
  expect(told).toEqual(['m', 'foreign']);
});

test('a new session numbers anew', () => {
  const { t, told } = timed();
  t.frame(90_000);
  t.renumber();
  t.add(message('m', 5000, 50));
  expect(told).toEqual([]);
  t.frame(50);
  expect(told).toEqual(['m']);
});

test('what is too much goes out early, in order, and nothing is lost', () => {
  const { t, told } = timed();
  for (let i = 0; i < 70; i++) t.add(message(`${i}`, 1e15));
  expect(told).toEqual(['0', '1', '2', '3', '4', '5']);
  t.moment(1e15);
  expect(told).toHaveLength(70);
  t.add(message('gone', 1e15));
  t.clear();
  t.moment(2e15);
  expect(told).toHaveLength(70);
});
