import * as l10n from '@vscode/l10n';
import type { ComponentChildren } from 'preact';
import type { DataColumn } from '../../src/protocol/dataTable';
import { useApp } from '../context';
import { dataItems, useSaving } from '../useSaving';
import { Menu, type MenuItem } from '../views/Menu';
import { framedSvg, pngOf, type Picture } from './picture';
import { readColors } from './plot';

/**
 * A chart under its title, with a menu to save it: as a picture that says what it shows, and its data.
 * Charts that plotly draws pass `plotPicture` of their element, others `canvasPicture` or `svgPicture`.
 */
export function ChartFrame(props: {
  title: string;
  /** Of the heading: 3 where it is absent. */
  level?: 3 | 4;
  /** What is drawn, in a line. */
  description?: string | undefined;
  /** The tensor or the text that the chart is about; pictures and data also name the model. */
  of?: string | undefined;
  /** What is drawn, computed when it is saved. */
  data: () => readonly DataColumn[];
  /** The chart as it is drawn now; undefined while there is nothing. */
  picture: () => Promise<Picture | undefined> | Picture | undefined;
  /** Controls of the chart, beside the menu. */
  controls?: ComponentChildren;
  children: ComponentChildren;
}) {
  const { title, level = 3, description, controls, children } = props;
  const items = useFrameItems(props);
  const Heading = level === 3 ? 'h3' : 'h4';
  return (
    <section class="chart-frame">
      <div class="chart-head">
        <Heading>{title}</Heading>
        <span class="chart-controls">
          {controls}
          <Menu label={l10n.t('Save or copy: {0}', title)} items={items} />
        </span>
      </div>
      {description !== undefined && <p class="muted">{description}</p>}
      {children}
    </section>
  );
}

type FrameProps = Parameters<typeof ChartFrame>[0];

function useFrameItems({ title, description, of, data, picture }: FrameProps): MenuItem[] {
  const { store } = useApp();
  const saving = useSaving({ title, of });
  const framed = async (): Promise<Picture | undefined> => {
    const drawn = await picture();
    const text = { title, about: saving.about(), description };
    return drawn && framedSvg(drawn, text, readColors(), getComputedStyle(document.body).fontFamily);
  };
  const savePicture = async (kind: 'png' | 'svg'): Promise<void> => {
    try {
      const whole = await framed();
      if (!whole)
        return store.update({
          problem: l10n.t('{0}: no chart is drawn now, only its data can be saved.', title),
        });
      await saving.save(kind, kind === 'png' ? await pngOf(whole) : whole.svg);
    } catch (error) {
      store.update({ problem: l10n.t('The chart could not be drawn as a picture: {0}', String(error)) });
    }
  };
  return [
    { label: l10n.t('Save as PNG…'), run: () => void savePicture('png') },
    { label: l10n.t('Save as SVG…'), run: () => void savePicture('svg') },
    ...dataItems(saving, 'Data', title, data),
  ];
}
