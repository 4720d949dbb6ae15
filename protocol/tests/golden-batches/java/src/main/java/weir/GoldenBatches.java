package weir;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.zip.CRC32C;

import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.DefaultRecordBatch;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.BufferSupplier;

/** Writes kafka/*.bin, and kafka.txt and weir.txt: what is in kafka/*.bin and weir/*.bin. */
public final class GoldenBatches {
    private static final long NOW = 1_700_000_000_000L;
    private static final byte V2 = RecordBatch.MAGIC_VALUE_V2;

    public static void main(String[] args) throws IOException {
        Path root = Path.of(args[0]);
        Path ours = Files.createDirectories(root.resolve("kafka"));
        for (var entry : new GoldenBatches().all().entrySet()) {
            Files.write(ours.resolve(entry.getKey() + ".bin"), entry.getValue());
        }
        for (String side : List.of("kafka", "weir")) {
            StringBuilder text = new StringBuilder();
            try (var files = Files.list(root.resolve(side))) {
                for (Path file : files.filter(f -> f.toString().endsWith(".bin")).sorted().toList()) {
                    String name = file.getFileName().toString().replace(".bin", "");
                    describe(name, Files.readAllBytes(file), text);
                }
            }
            Files.writeString(root.resolve(side + ".txt"), text);
        }
    }

    private final TreeMap<String, byte[]> batches = new TreeMap<>();
    private final Random random = new Random(42);

    private TreeMap<String, byte[]> all() {
        var codecs = new TreeMap<String, Compression>();
        codecs.put("none", Compression.NONE);
        codecs.put("gzip", Compression.gzip().build());
        codecs.put("gzip9", Compression.gzip().level(9).build());
        codecs.put("snappy", Compression.snappy().build());
        codecs.put("lz4", Compression.lz4().build());
        codecs.put("lz4-1", Compression.lz4().level(1).build());
        codecs.put("zstd", Compression.zstd().build());
        codecs.put("zstd19", Compression.zstd().level(19).build());
        codecs.forEach((name, codec) -> {
            var mixed = builder(codec, TimestampType.CREATE_TIME, false, false, 0);
            mixed(mixed);
            put(name + "-mixed", mixed);
            if (name.equals("none")) {
                return;
            }
            // More than one block of every codec.
            var large = builder(codec, TimestampType.CREATE_TIME, false, false, 5);
            for (int i = 0; i < 300; i++) {
                large.append(NOW + i, bytes("key-" + i), bytes(("value " + i % 7 + " ").repeat(120)));
            }
            put(name + "-large", large);
        });
        var stamped = builder(Compression.lz4().build(), TimestampType.LOG_APPEND_TIME, false, false, 9);
        mixed(stamped);
        put("log-append-time", stamped);
        var transactional = builder(Compression.zstd().build(), TimestampType.CREATE_TIME, true, false, 0);
        mixed(transactional);
        put("transactional-wrapped-sequence", transactional);
        for (ControlRecordType type : List.of(ControlRecordType.COMMIT, ControlRecordType.ABORT)) {
            var marker = MemoryRecords.withEndTransactionMarker(70, NOW, 3, 1234, (short) 5, new EndTransactionMarker(type, 17));
            put("marker-" + type.name().toLowerCase(), marker);
        }
        compacted();
        return batches;
    }

    private void compacted() {
        var whole = builder(Compression.gzip().build(), TimestampType.CREATE_TIME, false, false, 100);
        for (int i = 0; i < 10; i++) {
            whole.append(NOW - 10 * i, bytes("k" + i), i == 4 ? null : bytes("v" + i));
        }
        MemoryRecords records = whole.build();
        put("compacted", filter(records, true, 2, 4, 5));
        put("compacted-to-nothing", filter(records, true));
    }

    private static MemoryRecords filter(MemoryRecords records, boolean keepEmpty, Integer... kept) {
        ByteBuffer out = ByteBuffer.allocate(1 << 16);
        var retention = keepEmpty
            ? MemoryRecords.RecordFilter.BatchRetention.RETAIN_EMPTY
            : MemoryRecords.RecordFilter.BatchRetention.DELETE_EMPTY;
        records.filterTo(new MemoryRecords.RecordFilter(NOW, 86_400_000L) {
            @Override
            protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                return new BatchRetentionResult(retention, false);
            }

            @Override
            protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
                return List.of(kept).contains((int) (record.offset() - batch.baseOffset()));
            }
        }, out, BufferSupplier.NO_CACHING);
        out.flip();
        return MemoryRecords.readableRecords(out);
    }

    private static MemoryRecordsBuilder builder(Compression codec, TimestampType type, boolean transactional, boolean control, long base) {
        long producer = transactional ? 4321 : RecordBatch.NO_PRODUCER_ID;
        short epoch = transactional ? (short) 7 : RecordBatch.NO_PRODUCER_EPOCH;
        int sequence = transactional ? Integer.MAX_VALUE - 2 : RecordBatch.NO_SEQUENCE;
        return MemoryRecords.builder(ByteBuffer.allocate(1 << 20), V2, codec, type, base, NOW + 12345,
            producer, epoch, sequence, transactional, control, 3);
    }

    private void mixed(MemoryRecordsBuilder builder) {
        byte[] noise = new byte[500];
        random.nextBytes(noise);
        builder.append(NOW, bytes("key"), bytes("value"));
        builder.append(NOW + 5000, null, bytes("no key"));
        builder.append(NOW - 5000, bytes("no value"), null);
        builder.append(NOW + 5000, null, (byte[]) null);
        builder.append(NOW, bytes(""), bytes(""));
        builder.append(RecordBatch.NO_TIMESTAMP, bytes("no time"), noise);
        builder.append(NOW, bytes("headers"), bytes("x"), new Header[] {
            new RecordHeader("a", bytes("1")),
            new RecordHeader("a", bytes("duplicate")),
            new RecordHeader("", bytes("empty key")),
            new RecordHeader("null", (byte[]) null),
            new RecordHeader("größe", bytes("")),
        });
    }

    private void put(String name, MemoryRecordsBuilder builder) {
        put(name, builder.build());
    }

    private void put(String name, MemoryRecords records) {
        ByteBuffer buffer = records.buffer().duplicate();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        batches.put(name, bytes);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static void describe(String name, byte[] bytes, StringBuilder out) {
        int seen = 0;
        for (MutableRecordBatch any : MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)).batches()) {
            var batch = (DefaultRecordBatch) any;
            batch.ensureValid();
            seen += batch.sizeInBytes();
            var horizon = batch.deleteHorizonMs();
            out.append("batch ").append(name)
                .append(" size=").append(batch.sizeInBytes())
                .append(" offsets=").append(batch.baseOffset()).append("..=").append(batch.lastOffset())
                .append(" leader_epoch=").append(batch.partitionLeaderEpoch())
                .append(" codec=").append(batch.compressionType().name)
                .append(" time=").append(batch.timestampType() == TimestampType.CREATE_TIME ? "CreateTime" : "LogAppendTime")
                .append(" base_time=").append(batch.baseTimestamp())
                .append(" max_time=").append(batch.maxTimestamp())
                .append(" producer=").append(batch.producerId()).append('/').append(batch.producerEpoch())
                .append(" sequences=").append(batch.baseSequence()).append("..=").append(batch.lastSequence())
                .append(" transactional=").append(batch.isTransactional())
                .append(" control=").append(batch.isControlBatch())
                .append(" horizon=").append(horizon.isPresent() ? horizon.getAsLong() : "none")
                .append(" count=").append(batch.countOrNull())
                .append(" crc=").append(Long.toHexString(batch.checksum()))
                .append('\n');
            for (Record record : batch) {
                record(batch, record, out);
            }
        }
        if (seen != bytes.length) {
            throw new IllegalStateException(name + ": " + seen + " of " + bytes.length + " bytes are batches");
        }
    }

    private static void record(RecordBatch batch, Record record, StringBuilder out) {
        out.append("  ").append(record.offset()).append(" time=").append(record.timestamp())
            .append(" key=").append(digest(record.key())).append(" value=").append(digest(record.value()));
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            byte[] value = header.value();
            headers.add(header.key() + ":" + digest(value == null ? null : ByteBuffer.wrap(value)));
        }
        out.append(" headers=[").append(String.join(" ", headers)).append("]");
        if (batch.isControlBatch()) {
            var marker = EndTransactionMarker.deserialize(record);
            out.append(" marker=").append(marker.controlType()).append('/').append(marker.coordinatorEpoch());
        }
        out.append('\n');
    }

    private static String digest(ByteBuffer bytes) {
        if (bytes == null) {
            return "null";
        }
        CRC32C crc = new CRC32C();
        crc.update(bytes.duplicate());
        return bytes.remaining() + ":" + Long.toHexString(crc.getValue());
    }
}
